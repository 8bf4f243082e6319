"""`detaudit spread` of a program: how it gets its seeds, and what its runs end with."""

import os
import signal
import sys
import textwrap
import threading

import pytest
from detaudit.commands.spread.conclusion import conclude
from detaudit.commands.spread.options import Options
from detaudit.commands.spread.seeding import STEP
from detaudit.commands.spread.session import run
from detaudit.core.events import TrialEnded
from detaudit.errors import UsageError
from detaudit.execution.program import program

SCRIPT = """
    import json, os, random, sys
    seed = 3
    if "--seed" in sys.argv:
        seed = int(sys.argv[sys.argv.index("--seed") + 1])
    elif "SEED" in os.environ:
        seed = int(os.environ["SEED"])
    random.seed(seed)
    loss = random.random()
    print("epoch 1 loss 9.5")
    print("epoch 2 loss", loss)
    json.dump({"test": {"loss": loss, "rows": 7}, "name": "a"}, open("metrics.json", "w"))
"""


@pytest.fixture
def spread(tmp_path):
    """Run a script with these options; what was found."""

    def several(
        text=SCRIPT, resume=None, emit=lambda event: None, arguments=(), against=None, **options
    ):
        folder = tmp_path / "work"
        folder.mkdir(exist_ok=True)
        if resume is None:
            (folder / "train.py").write_text(textwrap.dedent(text))
        found = program.find("train.py", False, arguments, folder)
        others = [] if against is None else [program.find("train.py", False, against, folder)]
        given = Options(sys.executable, **{"runs": 4, "jobs": 2, "timeout": 60.0, **options})
        audit = run(given, emit, resume, [found, *others])
        assert sorted(os.listdir(folder)) == ["train.py"]
        return audit

    return several


def losses(audit, name="loss"):
    (metric,) = [one for one in audit.metrics if one.name == name]
    return metric.values


def expected(*seeds):
    import random

    return tuple(random.Random(seed).random() for seed in seeds)


BY_CALLS = [3 + STEP * place for place in range(4)]
PARSED_LOSS = {"parse": ("loss (.*)",)}
PARSED = {"parse": ("epoch [0-9]+ loss ([0-9.e-]+)",)}


def test_seeds_are_given_as_arguments_in_a_variable_or_to_the_calls_that_set_seeds(spread):
    by_arguments = spread(seed_args="--seed {seed}", seed=5, **PARSED)
    assert by_arguments.seeds == (5, 6, 7, 8) and conclude(by_arguments).exit_code == 0
    assert losses(by_arguments, "loss") == expected(5, 6, 7, 8)
    by_variable = spread(seed_env="SEED", seed=5, **PARSED)
    assert by_variable.metrics == by_arguments.metrics
    by_calls = spread(**PARSED)
    assert losses(by_calls, "loss") == expected(*BY_CALLS)
    assert by_calls.seeds == (0, STEP, 2 * STEP, 3 * STEP)
    assert [(one.file, one.line, one.function) for one in by_calls.seeding.calls] == [
        ("train.py", 8, "random.seed")
    ]
    assert all(audit.identical == 1 for audit in (by_arguments, by_variable, by_calls))


def test_results_are_read_from_a_file_that_the_script_writes(spread):
    audit = spread(results="metrics.json")
    assert {metric.name for metric in audit.metrics} == {"test.loss", "test.rows"}
    assert losses(audit, "test.loss") == expected(*BY_CALLS)
    assert losses(audit, "test.rows") == (7.0,) * 4


def test_equal_output_is_not_said_to_be_equal_weights(spread):
    """An accuracy may be equal by chance: all runs are made, and the program is not accused."""
    audit = spread(seed_env="OTHER", **PARSED)
    assert not audit.ignored and len(audit.trials) == 5 and audit.identical == 4
    assert audit.repeats


TRAINED = """
    import os
    import numpy as np
    from sklearn.linear_model import SGDRegressor
    from sklearn.model_selection import train_test_split
    seed = int(os.environ.get("SEED", "3"))
    x = np.linspace(0, 1, 90).reshape(30, 3)
    train, test = train_test_split(x, random_state=0)
    np.random.seed({})
    model = SGDRegressor(max_iter=5, tol=None).fit(train, train.sum(axis=1))
    print("rows", test[0, 0], "loss", model.coef_[0])
"""


def test_a_program_with_equal_weights_does_not_use_its_seed(spread):
    pytest.importorskip("sklearn")
    audit = spread(TRAINED.format("5"), seed_env="SEED", **PARSED_LOSS)
    assert audit.ignored and len(audit.trials) == 3
    assert conclude(audit).reason == "runs with different seeds have the same weights"
    assert not spread(TRAINED.format("seed"), seed_env="SEED", **PARSED_LOSS).ignored


def test_the_seeds_that_a_library_makes_generators_from_stay(spread):
    """A split with random_state=0 makes a generator with 0: that is no seed that varies."""
    pytest.importorskip("sklearn")
    audit = spread(TRAINED.format("5"), parse=(r"rows (\S+)", r"loss (\S+)"))
    rows, loss = audit.metrics
    assert rows.distinct == 1 and loss.distinct == 4
    assert [one.function for one in audit.seeding.calls] == ["numpy.random.seed"]
    assert [(one.line, one.function) for one in audit.seeding.constants] == [(8, "random_state")]


def test_a_program_that_sets_no_seed_runs_as_it_is(spread):
    audit = spread("import random\nprint('loss', random.random())", parse=("loss (.*)",))
    assert audit.seeding.is_free and not audit.ignored and audit.identical == 1
    assert audit.repeats is False
    same = spread("print('loss', 2)", parse=("loss (.*)",))
    assert same.seeding.is_free and not same.ignored and same.identical == 4
    assert conclude(same).reason == (
        "no seed was changed, and all runs are alike: give --seed-args"
    )
    text = "import random\nrandom.seed('a')\nprint('loss', random.random())"
    assert [one.line for one in spread(text, **PARSED_LOSS).seeding.constants] == [2]


def test_runs_that_end_on_no_number_or_fail_are_not_passed_over(spread):
    none = spread()
    assert len(none.trials) == 3
    assert conclude(none).reason == "no result was found: give --parse or --results"
    nan = "import random, sys\nrandom.seed(1)\nprint('loss', 'nan' if random.random() < .3 else 1)"
    values = losses(spread(nan, parse=("loss (.*)",), runs=6))
    assert None in values and 1.0 in values
    failing = SCRIPT + "    sys.exit(seed == 2)\n"
    audit = spread(failing, seed_args="--seed {seed}", **PARSED)
    assert audit.seeds == (1, 3, 4)
    assert conclude(audit).reason == (
        "some runs did not complete: 3 of 4 completed (exited with status 1)"
    )


def test_an_interrupted_spread_goes_on_where_it_ended(spread):
    ended = []

    def interrupt(event):
        ended.append(isinstance(event, TrialEnded))
        if sum(ended) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    assert threading.current_thread() is threading.main_thread()
    first = spread(emit=interrupt, **PARSED)
    assert first.interrupted and first.resume and conclude(first).exit_code == 130
    rest = spread(resume=first.resume, **PARSED)
    assert not rest.interrupted and losses(rest, "loss") == expected(*BY_CALLS)
    assert len(rest.trials) == 5


def test_wrong_options_are_refused_before_the_first_run(spread):
    with pytest.raises(UsageError, match="not both"):
        spread(seed_args="--seed {seed}", seed_env="SEED")
    with pytest.raises(UsageError, match=r"--seed \{seed\}"):
        spread(seed_args="--seed 1")
    with pytest.raises(UsageError, match="one group"):
        spread(parse=("loss",))
    with pytest.raises(UsageError, match="no regular expression"):
        spread(parse=("loss (",))
    with pytest.raises(UsageError, match="the same name"):
        spread(parse=("loss (.*)", "test loss (.*) of"[5:]))
    with pytest.raises(UsageError, match="closing quotation"):
        spread(seed_args="--seed '{seed}")
    with pytest.raises(UsageError, match="5 or more"):
        spread(by_source=True)
    with pytest.raises(UsageError, match="6 or more"):
        spread(against=())


def test_two_programs_are_compared_with_equal_seeds(spread):
    """The other one's loss is larger by a quarter of the noise, which its seed hides otherwise."""
    text = SCRIPT.replace(
        "loss = random.random()", "loss = random.random() + 0.1 * ('up' in sys.argv)"
    )
    audit = spread(text, against=("up",), seed_args="--seed {seed}", runs=8, **PARSED)
    other = audit.against
    assert (audit.program, other.program) == ("train.py", "the other train.py")
    assert audit.seeds == other.seeds == tuple(range(1, 9)) and conclude(audit).exit_code == 0
    (found,) = other.differences
    assert (found.name, found.pairs) == ("loss", 8) and found.mean == pytest.approx(0.1)
    assert found.p_value == pytest.approx(2 / 2**8) and found.detectable < 1e-9
    assert audit.metrics[0].spread > 0.1
    same = spread(text, against=(), runs=6, **PARSED).against.differences[0]
    assert (same.mean, same.p_value) == (0.0, 1.0)


FREE = """
    import os, random, sys
    from zlib import crc32
    if os.environ.get("NOISE") == "1":
        random.seed(5)
        loss = random.random() + len(os.urandom(3))
    elif os.environ.get("NOISE") == "2":
        loss = list({"a", "b", "c", "d", "e"}).index("a") + os.getpid()
    else:
        random.seed(5)
        loss = random.random() + crc32("".join({"a", "b", "c", "d", "e", "f", "g"}).encode()) + random.Random().random()
    print("loss", loss)
"""


def test_each_source_is_left_free_in_turn(spread, monkeypatch):
    audit = spread(FREE, by_source=True, runs=6, **PARSED_LOSS)
    rows = {row.free: row for row in audit.by_source}
    assert conclude(audit).exit_code == 0 and audit.by_source[-1].free == "everything"
    varying = {name for name, row in rows.items() if row.identical < row.runs}
    assert varying == {"hash-seed", "python-random", "everything"}
    assert rows["nothing"].identical == rows["nothing"].runs == 6
    assert {name for name, row in rows.items() if row.acts} == varying
    assert rows["hash-seed"].runs == rows["python-random"].runs == 6
    assert rows["hash-seed"].metrics[0].spread > rows["python-random"].metrics[0].spread > 0
    monkeypatch.setenv("NOISE", "1")
    rows = {row.free: row for row in spread(FREE, by_source=True, runs=5, **PARSED_LOSS).by_source}
    assert all(row.identical == row.runs for row in rows.values()) and "os-entropy" in rows


def test_without_a_control_that_matches_nothing_is_said_of_a_source(spread, monkeypatch):
    text = "print('loss', int(open('/proc/sys/kernel/random/uuid').read()[:6], 16))"
    audit = spread(text, by_source=True, runs=5, **PARSED_LOSS)
    assert [row.free for row in audit.by_source] == ["nothing"]
    assert conclude(audit).reason == "runs differ with everything pinned"
