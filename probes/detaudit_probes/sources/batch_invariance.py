"""Batch invariance: does one example get the same prediction alone as in a batch?

Mathematically, the rows of a batch are independent (at inference, batch normalization uses its
stored averages). In practice, the number of rows decides how a kernel splits a matrix product or a
convolution into blocks, so the order in which the terms of one row are added may depend on the
other rows. The two settings predict the same rows with the same untrained weights, once in one
batch and once one by one. Users expect equal results (tensorflow/tensorflow#39663,
keras-team/keras#13328). In TensorFlow, the only pin is one batch size everywhere.
"""

from detaudit_probes.backends import EVERY_BACKEND
from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.kit import models, training
from detaudit_probes.protocol import Settings

ID = "batch-invariance"

SOURCE = Source(
    id=ID,
    family="kernels and compilers",
    title="batch invariance",
    breaks="Kernels split their work by batch size, so a row's result can depend on the other rows in its batch.",
    backends=EVERY_BACKEND + ("tf_keras",),
    experiment=Compare(
        models=("mlp", "cnn", "lstm", "attention"),
        settings=(
            Setting("in one batch", settings=Settings(one_by_one=False)),
            Setting("one by one", settings=Settings(one_by_one=True)),
        ),
        procedure=True,
    ),
    links=(
        Link(
            "TensorFlow issue 39663: the batch size makes the results different",
            "https://github.com/tensorflow/tensorflow/issues/39663",
        ),
        Link(
            "Keras issue 13328: output depends on the batch size",
            "https://github.com/keras-team/keras/issues/13328",
        ),
        Link(
            "Defeating nondeterminism in LLM inference",
            "https://thinkingmachines.ai/blog/defeating-nondeterminism-in-llm-inference/",
        ),
    ),
    advice="If predictions must be bitwise identical, predict with the same batch size everywhere.",
)


def train(trial, recorder):
    """Predict every row of the data, in one batch or one by one. Nothing is trained."""
    import numpy

    tiny = models.build(trial.request.model, trial)
    training.compile_model(trial, tiny)
    recorder.initial(tiny.model)
    size = 1 if trial.settings.one_by_one else len(tiny.x)
    batches = [tiny.x[start : start + size] for start in range(0, len(tiny.x), size)]
    predicted = numpy.concatenate([tiny.model.predict_on_batch(batch) for batch in batches])
    trial.count(ID, len(batches))
    recorder.value("forward", "predictions", predicted, final=True)


def count_uses(trial):
    return trial.counts.get(ID, 0)
