"""Pooling and its gradients: if windows overlap, a gradient is a sum over windows."""

from detaudit_probes.ops.entry import simple

IMAGES, RATIO = (16, 24, 24, 16), [1.0, 1.5, 1.5, 1.0]


def _fractional(name, by_default):
    """Windows of random sizes. ``by_default(tf)`` is a user's call with the default seed 0, which
    means a random one.
    """

    def seeded(tf, x):
        return getattr(tf.raw_ops, name)(
            value=x, pooling_ratio=RATIO, deterministic=True, seed=1, seed2=2
        )[0]

    def unseeded(inputs):
        return (lambda x: by_default(inputs.tf)(x, RATIO)[0]), (inputs.normal(*IMAGES),)

    pooling = simple(name, seeded, IMAGES, gradients=(name + "Grad",), dtypes=("float32",))
    return pooling._replace(unseeded=unseeded)


OPERATIONS = (
    simple(
        "MaxPool",
        lambda tf, x: tf.nn.max_pool2d(x, 3, 2, "SAME"),
        IMAGES,
        gradients=("MaxPoolGrad",),
        batch=True,
    ),
    simple(
        "AvgPool",
        lambda tf, x: tf.nn.avg_pool2d(x, 3, 2, "SAME"),
        IMAGES,
        gradients=("AvgPoolGrad",),
        batch=True,
    ),
    simple(
        "MaxPool3D",
        lambda tf, x: tf.nn.max_pool3d(x, 3, 2, "SAME"),
        (4, 8, 16, 16, 8),
        gradients=("MaxPool3DGrad",),
        batch=True,
    ),
    simple(
        "AvgPool3D",
        lambda tf, x: tf.nn.avg_pool3d(x, 3, 2, "SAME"),
        (4, 8, 16, 16, 8),
        gradients=("AvgPool3DGrad",),
        batch=True,
    ),
    simple(
        "MaxPoolWithArgmax",
        lambda tf, x: tf.nn.max_pool_with_argmax(x, 3, 2, "SAME")[0],
        IMAGES,
        gradients=("MaxPoolGradWithArgmax",),
        batch=True,
    ),
    _fractional("FractionalMaxPool", lambda tf: tf.nn.fractional_max_pool),
    _fractional("FractionalAvgPool", lambda tf: tf.nn.fractional_avg_pool),
)
