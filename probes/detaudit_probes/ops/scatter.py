"""Writing rows by index, into variables and into new tensors: where indices repeat, the order of the sums may race."""
from detaudit_probes.ops.entry import Operation

ROWS, KINDS, WIDTH = 40000, 50, 16


def _variable(name):
    """A scatter into a resource variable, which begins with the same values in each call."""

    def make(inputs):
        tf = inputs.tf
        variable, begin = inputs.variable(KINDS, WIDTH), inputs.uniform(KINDS, WIDTH)
        indices, updates = inputs.indices(KINDS, ROWS), inputs.uniform(ROWS, WIDTH)
        scatter = getattr(tf.raw_ops, name)

        def call(begin, updates):
            variable.assign(begin)
            scatter(resource=variable.handle, indices=indices, updates=updates)
            return variable.read_value()

        return call, (begin, updates)

    return make


def _add(inputs):
    indices = inputs.tf.expand_dims(inputs.indices(KINDS, ROWS), 1)
    return lambda tensor, updates: inputs.tf.tensor_scatter_nd_add(tensor, indices, updates), (
        inputs.normal(KINDS, WIDTH), inputs.normal(ROWS, WIDTH))


OPERATIONS = (
    Operation("ResourceScatterAdd", _variable("ResourceScatterAdd")),
    Operation("TensorScatterAdd", _add, gradients=("GatherNd",)),
)
