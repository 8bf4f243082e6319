"""Reading rows by index: the gradient adds up rows with the same index."""

from detaudit_probes.ops.entry import Operation

ROWS, KINDS, WIDTH = 40000, 50, 16


def _gather(inputs):
    tf, indices = inputs.tf, inputs.indices(KINDS, ROWS)
    return (lambda table: tf.gather(table, indices)), (inputs.normal(KINDS, WIDTH),)


def _gather_nd(inputs):
    tf, indices = inputs.tf, inputs.tf.expand_dims(inputs.indices(KINDS, ROWS), 1)
    return (lambda table: tf.gather_nd(table, indices)), (inputs.normal(KINDS, WIDTH),)


def _resource(inputs):
    table, indices = inputs.variable(KINDS, WIDTH), inputs.indices(KINDS, ROWS)
    return (
        lambda: inputs.tf.raw_ops.ResourceGather(
            resource=table.handle, indices=indices, dtype=table.dtype
        )
    ), ()


def _one_hot(inputs):
    indices = inputs.indices(KINDS, ROWS)
    return (lambda: inputs.tf.one_hot(indices, KINDS, dtype=inputs.dtype)), ()


def _stitch(inputs):
    tf, parts = inputs.tf, inputs.indices(4, ROWS)
    places = tf.dynamic_partition(tf.range(ROWS), parts, 4)
    return (lambda x: tf.dynamic_stitch(places, tf.dynamic_partition(x, parts, 4))), (
        inputs.normal(ROWS, WIDTH),
    )


def _partition(inputs):
    parts = inputs.indices(4, ROWS)
    return (lambda x: inputs.tf.dynamic_partition(x, parts, 4)[0]), (inputs.normal(ROWS, WIDTH),)


OPERATIONS = (
    Operation("GatherV2", _gather, gradients=("UnsortedSegmentSum",)),
    Operation("GatherNd", _gather_nd, gradients=("UnsortedSegmentSum",)),
    Operation("ResourceGather", _resource),
    Operation("OneHot", _one_hot),
    Operation("DynamicStitch", _stitch, gradients=("GatherV2",)),
    Operation("DynamicPartition", _partition, gradients=("ParallelDynamicStitch",)),
)
