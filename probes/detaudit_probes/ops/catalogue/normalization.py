"""Normalization: reductions over a batch, and division by them."""

from detaudit_probes.ops.entry import Operation, simple

IMAGES = (16, 24, 24, 16)


def _batch_norm(training):
    def make(inputs):
        tf = inputs.tf
        mean, variance = (
            tf.cast(one, "float32") for one in (inputs.normal(16), inputs.uniform(16))
        )
        scale, offset = (tf.cast(one, "float32") for one in (inputs.uniform(16), inputs.normal(16)))

        def call(x, scale, offset):
            seen = tf.zeros([0]) if training else mean
            return tf.raw_ops.FusedBatchNormV3(
                x=x,
                scale=scale,
                offset=offset,
                mean=seen,
                variance=tf.zeros([0]) if training else variance,
                is_training=training,
            )[0]

        return call, (inputs.normal(*IMAGES), scale, offset)

    return make


def _layer_norm(tf, x, scale, offset):
    """Not an operation of its own: the computation of Keras' layer."""
    mean, variance = tf.nn.moments(x, -1, keepdims=True)
    factor = tf.math.rsqrt(variance + tf.cast(0.001, x.dtype)) * scale
    return x * factor + (-mean * factor + offset)


OPERATIONS = (
    Operation("FusedBatchNormV3", _batch_norm(True), gradients=("FusedBatchNormGradV3",)),
    Operation("FusedBatchNormGradV3", _batch_norm(False), gradients=("FusedBatchNormGradV3",)),
    simple(
        "LRN",
        lambda tf, x: tf.nn.local_response_normalization(x),
        IMAGES,
        gradients=("LRNGrad",),
        batch=True,
    ),
    simple(
        "SquaredDifference",
        _layer_norm,
        (512, 512),
        (512,),
        (512,),
        gradients=("RsqrtGrad", "Sum"),
        batch=True,
    ),
    simple("Softmax", lambda tf, x: tf.nn.softmax(x), (512, 512), gradients=("Sum",), batch=True),
    simple(
        "LogSoftmax", lambda tf, x: tf.nn.log_softmax(x), (512, 512), gradients=("Sum",), batch=True
    ),
)
