"""Convolutions and their gradients."""

from detaudit_probes.ops.entry import Operation, simple


def _transposed(inputs):
    tf = inputs.tf
    return (lambda x, w: tf.nn.conv2d_transpose(x, w, (8, 32, 32, 16), 2)), (
        inputs.normal(8, 16, 16, 32),
        inputs.normal(3, 3, 16, 32),
    )


OPERATIONS = (
    simple(
        "Conv2D",
        lambda tf, x, w: tf.nn.conv2d(x, w, 1, "SAME"),
        (16, 8, 8, 64),
        (3, 3, 64, 32),
        gradients=("Conv2DBackpropInput", "Conv2DBackpropFilter"),
        batch=True,
    ),
    Operation("Conv2DBackpropInput", _transposed, gradients=("Conv2D", "Conv2DBackpropFilter")),
    simple(
        "Conv3D",
        lambda tf, x, w: tf.nn.conv3d(x, w, (1, 1, 1, 1, 1), "SAME"),
        (4, 8, 12, 12, 8),
        (3, 3, 3, 8, 8),
        gradients=("Conv3DBackpropInputV2", "Conv3DBackpropFilterV2"),
        batch=True,
    ),
    simple(
        "DepthwiseConv2dNative",
        lambda tf, x, w: tf.nn.depthwise_conv2d(x, w, (1, 1, 1, 1), "SAME"),
        (16, 24, 24, 16),
        (3, 3, 16, 1),
        batch=True,
        gradients=("DepthwiseConv2dNativeBackpropInput", "DepthwiseConv2dNativeBackpropFilter"),
    ),
    simple(
        "Dilation2D",
        lambda tf, x, w: tf.nn.dilation2d(x, w, (1, 1, 1, 1), "SAME", "NHWC", (1, 1, 1, 1)),
        (8, 20, 20, 8),
        (3, 3, 8),
        gradients=("Dilation2DBackpropInput", "Dilation2DBackpropFilter"),
        batch=True,
    ),
)
