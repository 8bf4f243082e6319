"""Losses that are single operations."""

from detaudit_probes.ops.entry import Operation

ROWS, KINDS = 4096, 64


def _dense(inputs):
    tf = inputs.tf
    labels = tf.nn.softmax(inputs.normal(ROWS, KINDS))
    return (
        lambda logits: tf.raw_ops.SoftmaxCrossEntropyWithLogits(features=logits, labels=labels)[0]
    ), (inputs.normal(ROWS, KINDS),)


def _sparse(inputs):
    labels = inputs.indices(KINDS, ROWS)
    return (
        lambda logits: inputs.tf.raw_ops.SparseSoftmaxCrossEntropyWithLogits(
            features=logits, labels=labels
        )[0]
    ), (inputs.normal(ROWS, KINDS),)


def _ctc(inputs):
    tf = inputs.tf
    labels = tf.sparse.from_dense(inputs.indices(15, 16, 10) + 1)
    lengths = tf.fill([16], 40)
    return (
        lambda logits: tf.raw_ops.CTCLoss(
            inputs=logits,
            labels_indices=labels.indices,
            labels_values=labels.values,
            sequence_length=lengths,
            preprocess_collapse_repeated=False,
            ctc_merge_repeated=True,
            ignore_longer_outputs_than_inputs=True,
        )[0]
    ), (inputs.normal(40, 16, 17),)


def _in_top_k(inputs):
    targets = inputs.indices(KINDS, ROWS)
    return (lambda x: inputs.tf.raw_ops.InTopKV2(predictions=x, targets=targets, k=5)), (
        inputs.normal(ROWS, KINDS),
    )


OPERATIONS = (
    Operation("SoftmaxCrossEntropyWithLogits", _dense, gradients=("Mul",)),
    Operation("SparseSoftmaxCrossEntropyWithLogits", _sparse, gradients=("Mul",)),
    Operation("CTCLoss", _ctc, gradients=("Mul",), dtypes=("float32",)),
    Operation("InTopKV2", _in_top_k, dtypes=("float32",)),
)
