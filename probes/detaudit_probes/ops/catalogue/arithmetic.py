"""Elementwise arithmetic; if an operand is broadcast, its gradient is a sum."""

from detaudit_probes.ops.entry import simple

ROWS = (512, 512)


def _one(name, function, gradient="Mul", draw="uniform", dtypes=("float32", "float16", "bfloat16")):
    return simple(name, function, ROWS, gradients=(gradient,), batch=True, draw=draw, dtypes=dtypes)


OPERATIONS = (
    simple("AddV2", lambda tf, x, y: tf.add(x, y), ROWS, (512,), gradients=("Sum",), batch=True),
    simple("Mul", lambda tf, x, y: tf.multiply(x, y), ROWS, (512,), gradients=("Sum",), batch=True),
    simple(
        "RealDiv",
        lambda tf, x, y: tf.divide(x, y),
        ROWS,
        (512,),
        gradients=("Sum",),
        batch=True,
        draw="uniform",
    ),
    simple(
        "Pow",
        lambda tf, x, y: tf.pow(x, y),
        ROWS,
        (512,),
        gradients=("Sum",),
        batch=True,
        draw="uniform",
    ),
    simple(
        "Maximum", lambda tf, x, y: tf.maximum(x, y), ROWS, (512,), gradients=("Sum",), batch=True
    ),
    simple("AddN", lambda tf, x, y, z: tf.add_n([x, y, z]), ROWS, ROWS, ROWS),
    _one("Exp", lambda tf, x: tf.exp(x)),
    _one("Log", lambda tf, x: tf.math.log(x)),
    _one("Sqrt", lambda tf, x: tf.sqrt(x), "SqrtGrad"),
    _one("Rsqrt", lambda tf, x: tf.math.rsqrt(x), "RsqrtGrad"),
    _one("Square", lambda tf, x: tf.square(x)),
    _one("Erf", lambda tf, x: tf.math.erf(x)),
    _one("Sin", lambda tf, x: tf.sin(x)),
    _one("Cos", lambda tf, x: tf.cos(x)),
    _one("Lgamma", lambda tf, x: tf.math.lgamma(x)),
    _one(
        "ClipByValue",
        lambda tf, x: tf.raw_ops.ClipByValue(
            t=x, clip_value_min=tf.cast(0.2, x.dtype), clip_value_max=tf.cast(0.8, x.dtype)
        ),
        "Select",
    ),
    simple(
        "Igamma",
        lambda tf, a, x: tf.math.igamma(a, x),
        (256, 256),
        (256, 256),
        gradients=("IgammaGradA",),
        draw="uniform",
        dtypes=("float32",),
    ),
    simple(
        "Betainc",
        lambda tf, a, b, x: tf.math.betainc(a, b, x),
        (128, 128),
        (128, 128),
        (128, 128),
        draw="uniform",
        dtypes=("float32",),
    ),
)
