"""Reductions: the kernel decides the order of the additions, and threads may change it."""

from detaudit_probes.ops.entry import FLOATS, simple

ROWS = (1024, 1024)

OPERATIONS = (
    simple("Sum", lambda tf, x: tf.reduce_sum(x), ROWS),
    simple("Mean", lambda tf, x: tf.reduce_mean(x, axis=0), ROWS, gradients=("RealDiv",)),
    simple("Prod", lambda tf, x: tf.reduce_prod(x, axis=0), (64, 4096), draw="around_one"),
    simple(
        "Max", lambda tf, x: tf.reduce_max(x, axis=1), ROWS, gradients=("Equal", "Sum"), batch=True
    ),
    simple(
        "Min", lambda tf, x: tf.reduce_min(x, axis=1), ROWS, gradients=("Equal", "Sum"), batch=True
    ),
    simple(
        "All", lambda tf, x: tf.reduce_all(x > -3.3, axis=1), ROWS, batch=True, dtypes=FLOATS[:1]
    ),
    simple(
        "Any", lambda tf, x: tf.reduce_any(x > 3.3, axis=1), ROWS, batch=True, dtypes=FLOATS[:1]
    ),
    simple("EuclideanNorm", lambda tf, x: tf.math.reduce_euclidean_norm(x, axis=0), ROWS),
    simple("Cumsum", lambda tf, x: tf.cumsum(x, axis=0), (512, 512), gradients=("Cumsum",)),
    simple(
        "Cumprod",
        lambda tf, x: tf.math.cumprod(x, axis=1),
        (512, 64),
        batch=True,
        draw="around_one",
    ),
    simple(
        "CumulativeLogsumexp",
        lambda tf, x: tf.math.cumulative_logsumexp(x, axis=1),
        (256, 256),
        batch=True,
    ),
    simple("ArgMax", lambda tf, x: tf.argmax(x, axis=1), ROWS, batch=True),
    simple(
        "TopKV2", lambda tf, x: tf.math.top_k(x, 8)[0], ROWS, gradients=("ScatterNd",), batch=True
    ),
)
