"""Random numbers from a given state, quantization, sparse matrices, sets, and the clock."""

from detaudit_probes.ops.entry import FLOATS, Operation, simple

SHAPE = (512, 512)


def _random(name):
    def make(inputs):
        tf = inputs.tf
        key, counter = tf.constant([7], tf.uint64), tf.constant([3, 4], tf.uint64)
        return (
            lambda: getattr(tf.raw_ops, name)(
                shape=SHAPE, key=key, counter=counter, alg=1, dtype=inputs.dtype
            )
        ), ()

    return Operation(name, make)


def _sparse_product(inputs):
    tf = inputs.tf
    places = tf.stack((inputs.indices(256, 20000), inputs.indices(256, 20000)), 1)
    places = tf.cast(places, tf.int64)

    def call(values, dense):
        return tf.raw_ops.SparseTensorDenseMatMul(
            a_indices=places, a_values=values, a_shape=(256, 256), b=dense
        )

    return call, (inputs.normal(20000), inputs.normal(256, 64))


def _sparse_sum(inputs):
    tf = inputs.tf
    places = tf.cast(
        tf.stack((tf.sort(inputs.indices(64, 20000)), inputs.indices(256, 20000)), 1), tf.int64
    )
    return (
        lambda values: tf.raw_ops.SparseReduceSum(
            input_indices=places, input_values=values, input_shape=(64, 256), reduction_axes=[1]
        )
    ), (inputs.normal(20000),)


def _channels(inputs):
    tf = inputs.tf
    least, greatest = tf.fill([16], -1.0), tf.fill([16], 1.0)
    return (
        lambda x, least, greatest: tf.quantization.fake_quant_with_min_max_vars_per_channel(
            x, least, greatest
        )
    ), (tf.cast(inputs.normal(4096, 16), "float32"), least, greatest)


def _fake(inputs):
    tf = inputs.tf
    return (
        lambda x, least, greatest: tf.quantization.fake_quant_with_min_max_vars(x, least, greatest)
    ), (tf.cast(inputs.normal(512, 512), "float32"), tf.constant(-1.0), tf.constant(1.0))


def _summary(inputs):
    """Mode 3, CONCISE_HEALTH: counts of elements that are not finite."""
    x = inputs.normal(512, 512)
    return (
        lambda: inputs.tf.raw_ops.DebugNumericSummaryV2(input=x, tensor_debug_mode=3, tensor_id=1)
    ), ()


def _unique(inputs):
    numbers = inputs.indices(5000, 40000)
    return (lambda: inputs.tf.unique(numbers)[0]), ()


def _unique_rows(inputs):
    rows = inputs.indices(3, 4000, 4)
    return (lambda: inputs.tf.raw_ops.UniqueV2(x=rows, axis=inputs.tf.constant([0]))[0]), ()


def _clock(inputs):
    """Returns the time, so results never match: the one entry that is expected to differ and to be
    refused.
    """
    return (lambda: inputs.tf.raw_ops.Timestamp()), ()


OPERATIONS = (
    _random("StatelessRandomUniformV2"),
    _random("StatelessRandomNormalV2"),
    _random("StatelessTruncatedNormalV2"),
    Operation("SparseTensorDenseMatMul", _sparse_product, gradients=("SparseTensorDenseMatMul",)),
    Operation("SparseReduceSum", _sparse_sum, dtypes=FLOATS[:1]),
    Operation(
        "FakeQuantWithMinMaxVars",
        _fake,
        gradients=("FakeQuantWithMinMaxVarsGradient",),
        dtypes=FLOATS[:1],
    ),
    Operation(
        "FakeQuantWithMinMaxVarsPerChannel",
        _channels,
        dtypes=FLOATS[:1],
        gradients=("FakeQuantWithMinMaxVarsPerChannelGradient",),
    ),
    Operation("DebugNumericSummaryV2", _summary, dtypes=FLOATS[:1]),
    Operation("Unique", _unique, dtypes=FLOATS[:1]),
    Operation("UniqueV2", _unique_rows, dtypes=FLOATS[:1]),
    Operation("Timestamp", _clock, dtypes=FLOATS[:1]),
    simple(
        "CheckNumericsV2",
        lambda tf, x: tf.raw_ops.CheckNumericsV2(tensor=x, message="seen"),
        SHAPE,
        batch=True,
    ),
    simple(
        "Bucketize",
        lambda tf, x: tf.raw_ops.Bucketize(input=x, boundaries=[-1.0, 0.0, 1.0]),
        SHAPE,
        batch=True,
        dtypes=FLOATS[:1],
    ),
    simple(
        "HistogramFixedWidth",
        lambda tf, x: tf.histogram_fixed_width(x, tf.constant([-3.0, 3.0])),
        (100000,),
        dtypes=FLOATS[:1],
    ),
)
