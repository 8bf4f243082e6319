"""Sums over the rows of a segment, and counts."""

from detaudit_probes.ops.entry import Operation

ROWS, KINDS, WIDTH = 40000, 50, 16


def _rows(inputs, name):
    """The numbers have both signs: a bfloat16 sum that only grows soon stops changing, whatever the
    order.
    """
    return (inputs.around_one if name.endswith("Prod") else inputs.normal)(ROWS, WIDTH)


def _sorted(name, gradients=()):
    def make(inputs):
        ids = inputs.tf.sort(inputs.indices(KINDS, ROWS))
        return (lambda x: getattr(inputs.tf.raw_ops, name)(data=x, segment_ids=ids)), (
            _rows(inputs, name),
        )

    return Operation(name, make, gradients)


def _unsorted(name, gradients=()):
    def make(inputs):
        ids = inputs.indices(KINDS, ROWS)
        return (
            lambda x: getattr(inputs.tf.raw_ops, name)(data=x, segment_ids=ids, num_segments=KINDS)
        ), (_rows(inputs, name),)

    return Operation(name, make, gradients)


def _sparse(name, gradient):
    def make(inputs):
        ids, rows = inputs.tf.sort(inputs.indices(KINDS, ROWS)), inputs.indices(KINDS, ROWS)
        return (
            lambda x: getattr(inputs.tf.raw_ops, name)(data=x, indices=rows, segment_ids=ids)
        ), (inputs.uniform(KINDS, WIDTH),)

    return Operation(name, make, (gradient,))


def _bincount(name):
    def make(inputs):
        numbers, weights = inputs.indices(KINDS, ROWS), inputs.uniform(ROWS)
        if name == "Bincount":
            return (
                lambda: inputs.tf.raw_ops.Bincount(arr=numbers, size=KINDS, weights=weights)
            ), ()
        return (
            lambda: inputs.tf.raw_ops.DenseBincount(input=numbers, size=KINDS, weights=weights)
        ), ()

    return Operation(name, make, dtypes=("float32",))


OPERATIONS = (
    _sorted("SegmentSum", ("GatherV2",)),
    _sorted("SegmentMean", ("GatherV2",)),
    _sorted("SegmentProd"),
    _sorted("SegmentMax"),
    _sorted("SegmentMin"),
    _unsorted("UnsortedSegmentSum", ("GatherV2",)),
    _unsorted("UnsortedSegmentProd"),
    _unsorted("UnsortedSegmentMax"),
    _unsorted("UnsortedSegmentMin"),
    _sparse("SparseSegmentSum", "SparseSegmentSumGrad"),
    _sparse("SparseSegmentMean", "SparseSegmentMeanGrad"),
    _sparse("SparseSegmentSqrtN", "SparseSegmentSqrtNGrad"),
    _bincount("Bincount"),
    _bincount("DenseBincount"),
)
