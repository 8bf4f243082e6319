"""Matrix products, which take most of the time of dense layers, attention and recurrence."""

from detaudit_probes.ops.entry import simple

OPERATIONS = (
    simple(
        "MatMul",
        lambda tf, x, w: tf.raw_ops.MatMul(a=x, b=w),
        (512, 512),
        (512, 512),
        gradients=("MatMul",),
        batch=True,
    ),
    simple(
        "BatchMatMulV2",
        lambda tf, x, y: tf.raw_ops.BatchMatMulV2(x=x, y=y),
        (32, 64, 96),
        (32, 96, 64),
        gradients=("BatchMatMulV2",),
    ),
    simple(
        "Einsum",
        lambda tf, x, w: tf.einsum("btd,dhk->bthk", x, w),
        (16, 32, 64),
        (64, 4, 16),
        gradients=("Einsum",),
        batch=True,
    ),
    simple(
        "BiasAdd",
        lambda tf, x, b: tf.nn.bias_add(x, b),
        (4096, 128),
        (128,),
        gradients=("BiasAddGrad",),
        batch=True,
    ),
    simple("L2Loss", lambda tf, x: tf.nn.l2_loss(x), (256, 256), gradients=("Mul",)),
)
