"""Pooling and its gradients: where windows overlap, a gradient is a sum over windows."""
from detaudit_probes.ops.entry import simple

IMAGES = (16, 24, 24, 16)

OPERATIONS = (
    simple("MaxPool", lambda tf, x: tf.nn.max_pool2d(x, 3, 2, "SAME"), IMAGES, gradients=("MaxPoolGrad",), batch=True),
    simple("AvgPool", lambda tf, x: tf.nn.avg_pool2d(x, 3, 2, "SAME"), IMAGES, gradients=("AvgPoolGrad",), batch=True),
    simple("MaxPool3D", lambda tf, x: tf.nn.max_pool3d(x, 3, 2, "SAME"), (4, 8, 16, 16, 8),
           gradients=("MaxPool3DGrad",), batch=True),
    simple("AvgPool3D", lambda tf, x: tf.nn.avg_pool3d(x, 3, 2, "SAME"), (4, 8, 16, 16, 8),
           gradients=("AvgPool3DGrad",), batch=True),
    simple("MaxPoolWithArgmax", lambda tf, x: tf.nn.max_pool_with_argmax(x, 3, 2, "SAME")[0], IMAGES,
           gradients=("MaxPoolGradWithArgmax",), batch=True),
    simple("FractionalMaxPool", lambda tf, x: tf.raw_ops.FractionalMaxPool(
        value=x, pooling_ratio=[1.0, 1.5, 1.5, 1.0], deterministic=True, seed=1, seed2=2)[0], IMAGES,
           gradients=("FractionalMaxPoolGrad",), dtypes=("float32",)),
    simple("FractionalAvgPool", lambda tf, x: tf.raw_ops.FractionalAvgPool(
        value=x, pooling_ratio=[1.0, 1.5, 1.5, 1.0], deterministic=True, seed=1, seed2=2)[0], IMAGES,
           gradients=("FractionalAvgPoolGrad",), dtypes=("float32",)),
)
