"""The likeliest classes of a script's predictions, if its model is a classifier."""

from types import SimpleNamespace

import numpy as np
import pytest
from detaudit_probes.hooks.keras.classes import MOST, likeliest


class BinaryCrossentropy:
    pass


def categorical_crossentropy():
    pass


@pytest.mark.parametrize(
    ("loss", "predicted", "classes"),
    [
        ("sparse_categorical_crossentropy", [[0.1, 0.9], [3.0, -1.0]], (1, 0)),
        (categorical_crossentropy, [[[0.1, 0.9], [0.6, 0.4]]], (1, 0)),
        (BinaryCrossentropy(), [[0.2], [0.8]], (0, 1)),
        (BinaryCrossentropy(), [[-0.2], [0.3], [1.5]], (0, 1, 1)),
        ("mse", [[0.1, 0.9]], ()),
        (None, [[0.1, 0.9]], ()),
        ("binary_crossentropy", [0.1, 0.9], ()),
    ],
)
def test_a_classifier_is_known_by_its_loss(loss, predicted, classes):
    values = np.array(predicted, "float32")
    assert likeliest(SimpleNamespace(loss=loss), values) == classes


def test_several_outputs_and_numbers_without_fractions_are_no_classes():
    model = SimpleNamespace(loss="binary_crossentropy")
    assert likeliest(model, [np.zeros((2, 1)), np.zeros((2, 1))]) == ()
    assert likeliest(model, np.zeros((2, 1), "int64")) == ()
    assert len(likeliest(model, np.zeros((MOST + 1, 1)))) == MOST
