"""Measures what it costs to record every operation of an eager step: the ratio of step times,
recorded to unrecorded, by turns.

``python -m tests.bench.replays``
"""

import statistics
import sys
import time

TURNS, STEPS = 9, 5


def main() -> int:
    import keras
    import numpy as np
    import tensorflow as tf
    from detaudit_probes.ops.frameworks.tensorflow import (
        OperationRecorder,
        naming_layers,
        recording,
    )
    from detaudit_probes.recording import fingerprint
    from detaudit_probes.recording.thread_team import Team

    tf.config.run_functions_eagerly(True)
    keras.utils.set_random_seed(1)
    for name, model, x in (
        (
            "embedding, 40,000 rows",
            [
                keras.Input((200,), dtype="int32"),
                keras.layers.Embedding(50, 16),
                keras.layers.GlobalAveragePooling1D(),
                keras.layers.Dense(1),
            ],
            np.random.randint(0, 50, (200, 200)),
        ),
        (
            "dense, 4.2 M weights",
            [keras.Input((2048,)), keras.layers.Dense(2048, "relu"), keras.layers.Dense(1)],
            np.random.rand(64, 2048),
        ),
        (
            "convolution",
            [
                keras.Input((32, 32, 3)),
                keras.layers.Conv2D(16, 3),
                keras.layers.BatchNormalization(),
                keras.layers.Conv2D(32, 3),
                keras.layers.Flatten(),
                keras.layers.Dense(1),
            ],
            np.random.rand(64, 32, 32, 3),
        ),
    ):
        model = keras.Sequential(model)
        model.compile(keras.optimizers.SGD(0.01), "mse")
        batch = tf.constant(x, "int32" if "embedding" in name else "float32"), tf.zeros((len(x), 1))
        variables = [*model.variables, *model.optimizer.variables]
        recorder = OperationRecorder(
            fingerprint.Hasher(fingerprint.available()[0], Team.of_this_machine()),
            variables=lambda variables=variables: [(one.path, one._value) for one in variables],
        )

        def recorded(model=model, batch=batch, recorder=recorder) -> None:
            with recording(recorder):
                model.train_step(batch)

        def detailed(recorded=recorded, recorder=recorder) -> None:
            recorder.detailed = True
            with naming_layers(recorder):
                recorded()
            recorder.detailed = False

        def plain(model=model, batch=batch) -> None:
            model.train_step(batch)

        plain()
        detailed()
        seconds = [[_timed(plain), _timed(recorded), _timed(detailed)] for _ in range(TURNS)]
        alone = statistics.median(one[0] for one in seconds)
        print(
            f"{name}: {len(recorder.events)} operations, eager step {1000 * alone / STEPS:.1f} ms",
            end="",
        )
        for place, what in ((1, "recorded"), (2, "with layers and lines, once in ten")):
            ratio = [one[place] / one[0] for one in seconds]
            print(
                f"; {what} {statistics.median(ratio):.2f} times as long ({min(ratio):.2f} to {max(ratio):.2f})",
                end="",
            )
        print()
    return 0


def _timed(step) -> float:
    began = time.perf_counter()
    for _ in range(STEPS):
        step()
    return time.perf_counter() - began


if __name__ == "__main__":
    sys.exit(main())
