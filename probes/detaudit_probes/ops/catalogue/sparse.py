"""Sparse tensors: reordering, conversion to dense, counting."""

from detaudit_probes.ops.entry import FLOATS, Operation

VALUES, SIDE, KINDS = 20000, 256, 50


def _places(inputs):
    tf = inputs.tf
    return tf.cast(
        tf.stack((inputs.indices(SIDE, VALUES), inputs.indices(SIDE, VALUES)), 1), tf.int64
    )


def _reorder(inputs):
    """Indices repeat, so the order of equal ones shows in the values."""
    places = _places(inputs)
    return (
        lambda values: inputs.tf.raw_ops.SparseReorder(
            input_indices=places, input_values=values, input_shape=(SIDE, SIDE)
        )[1]
    ), (inputs.normal(VALUES),)


def _dense(inputs):
    """Indices must not repeat: the kernel refuses them, or it is undefined which value remains."""
    places = inputs.tf.expand_dims(inputs.tf.range(0, 4 * VALUES, 4), 1)
    return (
        lambda values: inputs.tf.raw_ops.SparseToDense(
            sparse_indices=places,
            output_shape=[4 * VALUES],
            sparse_values=values,
            default_value=inputs.tf.cast(0, inputs.dtype),
        )
    ), (inputs.normal(VALUES),)


def _count(inputs):
    tf, places, numbers = inputs.tf, _places(inputs), inputs.indices(KINDS, VALUES)
    weights = inputs.normal(VALUES)
    return (
        lambda: tf.raw_ops.SparseBincount(
            indices=places,
            values=numbers,
            dense_shape=tf.constant([SIDE, SIDE], tf.int64),
            size=tf.constant(KINDS),
            weights=weights,
        )
    ), ()


OPERATIONS = (
    Operation("SparseReorder", _reorder, gradients=("SparseReorder", "GatherV2")),
    Operation("SparseToDense", _dense, gradients=("GatherNd",)),
    Operation("SparseBincount", _count, dtypes=FLOATS[:1]),
)
