"""Writing rows by index into new tensors: if indices repeat, the order of the sums may race."""

from detaudit_probes.ops.entry import Operation

ROWS, KINDS, WIDTH = 40000, 50, 16


def _into(name, gradient=()):
    def make(inputs):
        tf, indices = inputs.tf, inputs.tf.expand_dims(inputs.indices(KINDS, ROWS), 1)
        return (
            lambda tensor, updates: getattr(tf.raw_ops, name)(
                tensor=tensor, indices=indices, updates=updates
            )
        ), (inputs.normal(KINDS, WIDTH), inputs.normal(ROWS, WIDTH))

    return Operation(name, make, gradient)


def _new(inputs):
    tf, indices = inputs.tf, inputs.tf.expand_dims(inputs.indices(KINDS, ROWS), 1)
    return (lambda updates: tf.scatter_nd(indices, updates, (KINDS, WIDTH))), (
        inputs.normal(ROWS, WIDTH),
    )


def _once(inputs):
    """No index repeats: otherwise it is undefined which of the rows remains."""
    tf, indices = inputs.tf, inputs.tf.expand_dims(inputs.tf.range(0, ROWS, 2), 1)
    return (lambda tensor, updates: tf.tensor_scatter_nd_update(tensor, indices, updates)), (
        inputs.normal(ROWS, WIDTH),
        inputs.normal(ROWS // 2, WIDTH),
    )


OPERATIONS = (
    _into("TensorScatterAdd", ("GatherNd",)),
    _into("TensorScatterSub", ("GatherNd",)),
    _into("TensorScatterMax"),
    _into("TensorScatterMin"),
    Operation("TensorScatterUpdate", _once, ("GatherNd",)),
    Operation("ScatterNd", _new, ("GatherNd",)),
)
