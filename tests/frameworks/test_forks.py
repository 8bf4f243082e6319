"""Runs from a nest of a real program: the bits of a fresh process, and draws of their own."""

import pytest
from detaudit.commands.run.judging import compare_trainings
from detaudit.core.divergence import Divergence, Match
from detaudit_probes.sources import SCRIPT_PINS

from tests.forks import Audited, printed, was_forked
from tests.interpreters import with_backend
from tests.slow import slow, slow_but_for
from tests.wire.conftest import usable
from tests.wire.test_sandbox import state_of

pytestmark = pytest.mark.framework


@pytest.fixture
def audited(tmp_path):
    usable("overlay", tmp_path)
    opened = []

    def begin(text, **how):
        opened.append(Audited(tmp_path / str(len(opened)), text, **how))
        return opened[-1]

    yield begin
    for audit in opened:
        audit.close()


SCRIPT = """
import random
{first}
import tensorflow as tf
import numpy as np
import os, uuid
import keras
{seeds}
x = np.random.rand(64, 4).astype("float32")
y = x.sum(1, keepdims=True)
model = keras.Sequential([
    keras.layers.Dense(8, activation="relu"), keras.layers.Dropout(0.2), keras.layers.Dense(1)
])
model.compile("adam", "mse")
model.fit(tf.data.Dataset.from_tensor_slices((x, y)).shuffle(64).batch(16), epochs=2, verbose=0)
model.save("model.keras")
draws = [random.random(), np.random.rand(), float(tf.random.normal(()))]
draws += [float(keras.random.uniform(())), os.urandom(4).hex(), str(uuid.uuid4())]
draws += [np.random.default_rng().random(), float(tf.random.Generator.from_non_deterministic_state().normal(()))]
print(*draws)
"""


def same(one, other) -> bool:
    comparison = compare_trainings(one.trace, other.trace)
    assert isinstance(comparison, (Match, Divergence)), comparison
    return isinstance(comparison, Match)


def test_an_unpinned_forked_run_draws_for_itself_and_a_pinned_one_has_the_bits_of_a_fresh_one(
    audited,
):
    audit = audited(SCRIPT.format(first="", seeds=""))
    before = state_of(audit.root)
    (fresh,) = audit.fresh(*SCRIPT_PINS)
    pinned, unpinned = audit.forked(*SCRIPT_PINS), audit.forked(runs=4)
    assert all(map(was_forked, [*pinned, *unpinned])) and not audit.forks.note()
    assert same(fresh, pinned[0]) and same(pinned[0], pinned[1])
    assert {printed(run) for run in pinned} == {printed(fresh)}
    assert not any(same(unpinned[0], other) for other in unpinned[1:])
    # Each generator for itself
    columns = list(zip(*(printed(run).split() for run in unpinned), strict=True))
    assert len(columns) == 8 and all(len(set(column)) == 4 for column in columns)
    assert state_of(audit.root) == before


LONG = """
import keras, numpy as np
x, y = np.ones((8, 2)), np.ones((8, 1))
model = keras.Sequential([keras.layers.Dense(2), keras.layers.Dense(1)])
model.compile("sgd", "mse")
model.fit(x, y, batch_size=1, epochs=50, verbose=0)
"""


@pytest.mark.parametrize("how", ["fresh", "forked"])
@slow
def test_a_pair_that_differs_is_ended_and_one_that_matches_is_not(audited, how):
    audit = audited(LONG)
    run = getattr(audit, how)
    one, other = run(runs=2, stop_differing=True)
    assert not same(one, other) and one.outcome.completed and other.outcome.completed
    assert all(0 < ended.trace.measures.stopped < 400 for ended in (one, other))
    one, other = run(*SCRIPT_PINS, runs=2, stop_differing=True)
    assert same(one, other) and one.trace.steps() == other.trace.steps() == 400


SEEDED = {
    "behind the imports": ("", "keras.utils.set_random_seed(3)"),
    "before them": ("random.seed(3)", "np.random.seed(3); tf.random.set_seed(3)"),
}


@pytest.mark.parametrize("where", slow_but_for(["before them"], SEEDED))
def test_a_seeded_script_has_the_same_bits_forked_and_fresh(audited, where):
    first, seeds = SEEDED[where]
    audit = audited(SCRIPT.format(first=first, seeds=seeds))
    runs = [*audit.fresh(), *audit.forked()]
    assert list(map(was_forked, runs)) == [False, True, True]
    assert same(*runs[:2]) and same(*runs[1:])


USES = {
    "it uses TensorFlow": "import tensorflow as tf\ntf.constant(1)\nimport tf_keras",
    "it starts a thread": "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    "import tensorflow",
}


@slow
@pytest.mark.parametrize("obstacle", USES)
def test_a_program_that_cannot_be_forked(audited, obstacle):
    audit = audited(USES[obstacle] + "\nprint('ran')")
    audit.fresh()
    if obstacle == "it uses TensorFlow":  # but before that it can
        assert audit.nests.known.point.module == "tensorflow" and not audit.forks.note()
        return
    assert not any(map(was_forked, audit.forked()))
    assert obstacle in audit.forks.note()


@slow
@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_keras_on_another_backend(audited, backend):
    text = f"""
import {backend}
import keras
import numpy as np
x = np.random.rand(64, 4).astype("float32")
model = keras.Sequential([keras.layers.Dense(8), keras.layers.Dropout(0.2), keras.layers.Dense(1)])
model.compile("adam", "mse")
model.fit(x, x.sum(1, keepdims=True), epochs=2, verbose=0)
"""
    audit = audited(text, python=with_backend(backend), environment={"KERAS_BACKEND": backend})
    (fresh,) = audit.fresh(*SCRIPT_PINS)
    pinned, unpinned = audit.forked(*SCRIPT_PINS), audit.forked(runs=4)
    assert all(map(was_forked, [*pinned, *unpinned])) and not audit.forks.note()
    assert same(fresh, pinned[0]) and same(pinned[0], pinned[1])
    assert not any(same(unpinned[0], other) for other in unpinned[1:])
