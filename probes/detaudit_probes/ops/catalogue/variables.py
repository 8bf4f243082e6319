"""Writing rows by index into variables: if indices repeat, the order of the writes may race."""

from detaudit_probes.ops.entry import Operation

ROWS, KINDS, WIDTH = 40000, 50, 16


def _scatter(name, nested=False):
    """A scatter into a resource variable, which starts with the same values in each call."""

    def make(inputs):
        tf = inputs.tf
        variable, begin = inputs.variable(KINDS, WIDTH), inputs.uniform(KINDS, WIDTH)
        factors = name in ("ResourceScatterMul", "ResourceScatterDiv")
        indices = inputs.indices(KINDS, ROWS)
        # Both signs: a bfloat16 sum that only grows soon stops changing, whatever the order.
        updates = (inputs.around_one if factors else inputs.normal)(ROWS, WIDTH)
        if nested:
            indices = tf.expand_dims(indices, 1)
        named = {"ref" if nested else "resource": variable.handle}

        def call(begin, updates):
            variable.assign(begin)
            getattr(tf.raw_ops, name)(indices=indices, updates=updates, **named)
            return variable.read_value()

        return call, (begin, updates)

    return Operation(name, make)


def _strided(inputs):
    variable, begin = inputs.variable(1024, 256), inputs.uniform(1024, 256)

    def call(begin, rows):
        variable.assign(begin)
        variable[::2].assign(rows)
        return variable.read_value()

    return call, (begin, inputs.normal(512, 256))


OPERATIONS = tuple(
    _scatter("ResourceScatter" + word) for word in ("Add", "Sub", "Mul", "Div", "Min", "Max")
) + (
    _scatter("ResourceScatterNdAdd", nested=True),
    _scatter("ResourceScatterNdSub", nested=True),
    _scatter("ResourceScatterUpdate"),
    _scatter("ResourceScatterNdUpdate", nested=True),
    Operation("ResourceStridedSliceAssign", _strided),
)
