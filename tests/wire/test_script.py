"""A user's script as ``detaudit run`` starts it: it sees what it would see without us, and is
pinned from outside.
"""

import json
import os
import re
import shutil
import sys
import tempfile
import textwrap
import time
from pathlib import Path

import pytest
from detaudit.commands.run import failures
from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import RunAudit
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Asking
from detaudit.core.outcome import FAILED, OWN_FAULT
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program import process, program
from detaudit.execution.runner import Runner
from detaudit.execution.workspace import RUNS, SHORT, workspace
from detaudit_probes import sources
from detaudit_probes.protocol import NO_SETTINGS, Settings, own_setting

from tests.wire.conftest import ask
from tests.wire.test_children import alive
from tests.wire.test_interpreters import old_interpreter

PINS = {name: pin for name, (pin, _) in sources.pins(sources.SCRIPT_MODULES).items()}


@pytest.fixture
def run(tmp_path):
    """Run a script some times under pins; what became of each run."""
    runners = []

    def several(
        text,
        *pins,
        runs=2,
        timeout=60.0,
        arguments=(),
        files=None,
        module=None,
        python=sys.executable,
        files_changed=None,
        busy=None,
        services=None,
        asking=ask,
        settings=NO_SETTINGS,
        **options,
    ):
        folder = tmp_path / f"work-{len(runners)}"
        folder.mkdir()
        for name, content in {"train.py": text, **(files or {})}.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(textwrap.dedent(content))
        found = program.find(module or "train.py", module is not None, tuple(arguments), folder)
        condition = Condition("tensorflow", "auto", "train.py", 1).with_orders(**options)
        condition = condition.with_settings(Settings(busy=busy)).with_settings(settings)
        if files_changed is not None:
            condition = condition.with_orders(files=files_changed)
        for name in pins:
            condition = condition.with_pin(PINS[name])
        runner = Runner(
            Interpreter(python, "tensorflow", fork=False),
            Limits(2, timeout),
            tmp_path / f"control-{len(runners)}",
            dict(os.environ),
            keep_bytes=False,
            open_host=lambda *given: process.Process(found, *given, services),
        )
        runners.append(runner)
        experiment = Asking(asking([Trial(condition, number) for number in range(runs)]))
        runner.run([experiment])
        return experiment.finding

    yield several
    for runner in runners:
        runner.close()


def collected(done, kind="draws"):
    """What a spied run has found: ``draws`` or ``seeds``."""
    return json.loads((done.trace.folder / "sites.json").read_text())[kind]


def printed(done):
    assert done.outcome.completed, done.outcome
    return (done.trace.folder / "stdout").read_text()


OBSERVED = """
    import json, os, sys
    import helper
    print(json.dumps([sys.argv, os.getcwd(), sys.path[0], __name__, __file__, helper.__name__,
                      [p for p in sys.path if "site" in os.path.basename(p) and "packages" not in p],
                      sys.stdin.read()]))
"""


def test_a_script_sees_what_it_would_see_without_us(run):
    (done,) = run(OBSERVED, runs=1, arguments=("--lr", "0.1"), files={"helper.py": ""})
    argv, cwd, first, name, file, helper, ours, stdin = json.loads(printed(done))
    assert argv[1:] == ["--lr", "0.1"] and argv[0] == file == os.path.join(cwd, "train.py")
    assert (first, name, helper, ours, stdin) == (cwd, "__main__", "helper", [], "")


def test_a_module_of_a_package_with_relative_imports(run):
    (done,) = run(
        "",
        runs=1,
        module="pkg.main",
        files={
            "pkg/__init__.py": "",
            "pkg/other.py": "x = 7",
            "pkg/main.py": "from .other import x\nprint(x, __name__)",
        },
    )
    assert printed(done) == "7 __main__\n"


def test_nothing_is_imported_before_the_script_but_the_standard_library(run):
    """A variable that NumPy or TensorFlow reads when it is imported must still be the script's to
    set.
    """
    (done,) = run(
        "import sys; print(sorted({n.partition('.')[0] for n in sys.modules} - set(sys.stdlib_module_names)"
        " - {'__main__', 'detaudit_probes', 'sitecustomize'}))",
        runs=1,
    )
    assert not {"numpy", "tensorflow", "keras", "xxhash"} & set(
        printed(done).replace("'", " ").split()
    )


@pytest.mark.parametrize("version", ["3.6", "3.8", "3.13"])
def test_a_bare_interpreter_of_another_version(run, version, monkeypatch):
    python = old_interpreter(version)
    done = run(
        "import random, time, datetime; print(random.random(), time.time(), datetime.datetime.now())",
        "python-random",
        "clock",
        python=python,
    )
    assert all(one.outcome.completed for one in done), [one.outcome for one in done]
    first, second = ((one.trace.folder / "stdout").read_text() for one in done)
    assert first == second or version == "3.6"  # where a module cannot answer for its own names


def test_the_environments_own_sitecustomize_is_run_next(run, monkeypatch, tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "sitecustomize.py").write_text("import builtins; builtins.theirs = 5\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "own"))
    (done,) = run("print(theirs, __import__('sitecustomize').__file__)", runs=1)
    assert printed(done) == f"5 {tmp_path / 'own' / 'sitecustomize.py'}\n"


DRAWS = {
    "python-random": "import random; print(random.random(), random.Random().random())",
    "os-entropy": "import os, secrets, uuid; print(os.urandom(4), secrets.token_hex(4), uuid.uuid4())",
    "temporary-names": "import tempfile, os; print(os.path.basename(tempfile.mkdtemp()), "
    "os.path.basename(tempfile.NamedTemporaryFile().name))",
    "clock": "import time, os, datetime\nfrom datetime import datetime as d\n"
    "print(time.time(), time.perf_counter(), os.getpid(), d.now(), isinstance(d.now(), d), d(2020, 1, 1))",
    "hash-seed": "print(hash('x'), list({'a', 'b', 'c', 'd', 'e', 'f', 'g'}))",
    "fixed-addresses": "class A: pass\nclass B(A): pass\n"
    "things = [A() for _ in range(40)] + [B() for _ in range(40)]\n"
    "print([things.index(one) for one in set(things)])\n"
    "print(sorted(range(80), key=lambda place: id(things[place]) % 1009), hash(object()))",
}


@pytest.mark.parametrize("pin", DRAWS)
def test_a_pin_from_outside_works_and_without_it_runs_differ(run, pin):
    unpinned = run(DRAWS[pin])
    assert printed(unpinned[0]) != printed(unpinned[1])
    pinned = run(DRAWS[pin], pin)
    assert printed(pinned[0]) == printed(pinned[1])


HASHES = """
    import sys; sys.path.append("site-packages")
    from library import number
    print([number("a"), number(b"c")])
    print(number("a"), hash((1, "a")) == hash((1, "a")), list({"a", "b", "c", "d", "e", "f"}))
"""


def test_the_answers_of_hash_are_stable_at_the_lines_that_are_given_and_nowhere_else(run):
    library = {"site-packages/library.py": "def number(text): return hash(text)"}
    (spied,) = run(HASHES, runs=1, spy="hash-seed", files=library)
    lines = [(one["line"], one["draws"], one["in_user_code"]) for one in collected(spied)]
    assert lines == [(4, 2, False), (5, 1, False)]
    settings = own_setting("hash-seed", '[["train.py", 4]]')
    one, other = run(HASHES, "stable-hash", files=library, settings=settings)
    assert printed(one).splitlines()[0] == printed(other).splitlines()[0]
    assert printed(one).splitlines()[1] != printed(other).splitlines()[1]


MEMBERS = """
    import threading, time
    done = []
    def train(number):
        end = time.process_time() + 2.5 - number
        while time.process_time() < end:
            sum(range(1000))
        done.append(number)
    free = threading.Event()
    serving = threading.Thread(target=free.wait)
    serving.start()
    threads = [threading.Thread(target=train, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    print(done, serving.is_alive())
    free.set()
"""


def test_threads_run_one_after_another_as_long_as_they_compute(run):
    for done in run(MEMBERS, "one-pool-thread"):
        assert printed(done) == "[0, 1] True\n"


def test_how_often_other_threads_ask_for_the_time_does_not_move_the_clock_of_this_one(run):
    """A pool that waits asks as often as it happens to; a later thread begins no earlier than who
    starts it.
    """
    text = """
        import os, threading, time
        began, seen = time.time(), []
        def ask():
            seen.append(time.time())
            for _ in range(int.from_bytes(os.urandom(1), "little")):
                time.monotonic()
        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
            thread.join()
        print(time.time(), time.monotonic() > began, seen == sorted(seen), seen[0] > began)
    """
    first, second = run(text, "clock")
    assert printed(first) == printed(second) and printed(first).split()[1:] == ["True"] * 3


def test_a_pool_of_processes_ends_where_the_clock_and_the_number_of_the_process_are_held(run):
    """It compares the number with the one that it began with, and asks the clock as often as it
    happens to wait.
    """
    text = """
        import multiprocessing, time
        def work(value):
            return value * value
        if __name__ == "__main__":
            with multiprocessing.Pool(2) as pool:
                pool.map(work, range(400), chunksize=20)
            print(time.time())
    """
    assert len({printed(one) for one in run(text, "clock", runs=10)}) == 1


def test_the_system_knows_this_process_by_its_pinned_number(run):
    text = """
        import os
        import psutil
        number = os.getpid()
        os.kill(number, 0)
        print(number, psutil.Process().pid == psutil.Process(number).pid, os.getsid(number) > 0,
              psutil.Process(1).pid, os.sched_getaffinity(number) == os.sched_getaffinity(0))
    """
    said = {printed(one) for one in run(text, "clock")}
    assert len(said) == 1 and said.pop().split()[1:] == ["True", "True", "1", "True"]


def test_joblibs_processes_run_where_the_clock_and_the_process_id_are_pinned(run):
    pytest.importorskip("joblib")
    text = """
        import joblib
        def work(value):
            return value * value
        if __name__ == "__main__":
            print(sum(joblib.Parallel(2)(joblib.delayed(work)(value) for value in range(8))))
    """
    assert {printed(one) for one in run(text, "clock", "os-entropy")} == {"140\n"}


def test_what_forked_workers_draw_is_reported_with_the_draws_of_their_parent(run):
    """One pool waits for its workers, the other one kills them."""
    pytest.importorskip("numpy")
    text = """
        import multiprocessing
        import numpy as np
        def work(value):
            return np.random.default_rng().random()
        if __name__ == "__main__":
            np.random.default_rng(1).random()
            with multiprocessing.get_context("fork").Pool(2) as pool:
                pool.map(work, range(8), chunksize=1)
            pool = multiprocessing.get_context("fork").Pool(2)
            pool.map(work, range(8), chunksize=1)
            pool.close()
            pool.join()
    """
    (done,) = run(text, runs=1, spy="numpy-generator")
    (draw,) = [one for one in collected(done) if one["function"] == "work"]
    assert draw["line"] == 5 and 8 + 1 <= draw["draws"] <= 16
    assert done.trace.evidence["numpy-generator"] == draw["draws"]
    assert "numpy-generator" in done.trace.measures.used


def test_classes_behave_as_before_where_addresses_are_held(run):
    text = """
        import abc, collections, copy, dataclasses, enum, pickle, random, sys, threading, typing

        class Plain: pass
        class Slotted: __slots__ = ("x",)
        class Equal:
            def __eq__(self, other): return True
        class Own(Plain):
            def __hash__(self): return 7
        class Abstract(abc.ABC): pass
        class Both(Plain, Slotted): pass
        class Key(Plain, str): pass
        class Table(Plain, dict): pass
        @typing.runtime_checkable
        class HasLength(typing.Protocol):
            def __len__(self): ...
        @dataclasses.dataclass(frozen=True)
        class Frozen(abc.ABC):
            x: int
        class Colour(enum.Enum): RED = 1
        class Point(typing.NamedTuple):
            x: int
        @dataclasses.dataclass(unsafe_hash=True)
        class Data:
            x: int
        @dataclasses.dataclass
        class Unhashable:
            x: int

        def hashable(thing):
            try:
                return bool(hash(thing) or True)
            except TypeError:
                return False

        one = Plain()
        print(hash(one) == hash(one), id(one) == id(one), hash(Own()), hash(Data(1)) == hash(Data(1)),
              hash(Point(3)) == hash((3,)),
              [hashable(thing) for thing in (Equal(), Unhashable(1), [], Abstract(), Table())],
              Key("a") in {"a": 1}, isinstance([], HasLength), hash(Frozen(1)) == hash(Frozen(1)),
              hasattr(Slotted(), "__dict__"), type(pickle.loads(pickle.dumps(one))).__name__, {Colour.RED: 1},
              len({Plain() for _ in range(9)}), len({id(Plain()) for _ in range(9)} | {1}) > 1,
              copy.deepcopy([one, one])[0].__class__ is Plain, id(sys) == id(sys), Both().__class__.__name__)
    """
    plain, pinned = run(text, runs=1)[0], run(text, "fixed-addresses", runs=1)[0]
    assert printed(plain) == printed(pinned)


def test_the_lines_that_ask_for_an_address_are_found(run):
    text = "class A: pass\nthings = [A(), A()]\nnumbers = {thing for thing in things}\nprint(id(numbers))\n"
    (done,) = run(text, runs=1, spy="address-order")
    assert [(site["line"], site["draws"]) for site in collected(done)] == [(3, 2), (4, 1)]


CHANGES = """
import io, os
def counted():
    with io.open("run.txt", "r+") as file:  # 4
        number = int(file.read() or 0)
    open("run.txt", "w").write(str(number + 1))  # 6
    return number
with open("log.txt", "w") as file:  # from nothing
    file.write("begun")
open("log.txt").read()
with open("seen.csv", "a") as file:  # only added to
    file.write("1\\n")
with open("new.txt", "w") as file:
    file.write("moved there")
os.replace("new.txt", "moved.txt")
open("moved.txt").read()
print(counted(), open("seen.csv").read(), open("kept.csv").read(), open("input.txt").read())  # 17
"""


@pytest.mark.parametrize("version", [None, "3.6"])
def test_the_lines_that_open_what_an_earlier_run_has_left_are_found(run, version):
    """And those that write to it; not what a run writes for itself, nor what none changes."""
    python = sys.executable if version is None else old_interpreter(version)
    files = {
        name: "1"
        for name in ("run.txt", "seen.csv", "kept.csv", "input.txt", "log.txt", "moved.txt")
    }
    (one,) = run(
        CHANGES,
        runs=1,
        files=files,
        python=python,
        spy="input-changed",
        files_changed=("run.txt", "seen.csv", "kept.csv", "log.txt", "moved.txt"),
    )
    assert printed(one).startswith("1 11")
    assert {(site["line"], site["function"]) for site in collected(one)} == {
        (4, "counted"),
        (6, "counted"),
        (17, "<module>"),
    } and sum(
        site["draws"] for site in collected(one) if site["line"] == 17
    ) == 2  # seen.csv and kept.csv


def test_numpy_is_pinned_as_soon_as_it_is_imported(run):
    pytest.importorskip("numpy")
    text = "import numpy as np; print(np.random.rand(2), np.random.default_rng().random(2))"
    assert printed(run(text)[0]) != printed(run(text)[1])
    pinned = run(text, "numpy-legacy", "numpy-generator")
    assert printed(pinned[0]) == printed(pinned[1])


def test_a_busy_machine_is_one_for_as_long_as_the_script_runs(run):
    text = """
        import glob
        lines = []
        for path in glob.glob("/proc/[0-9]*/cmdline"):
            try:
                lines.append(open(path, "rb").read())
            except OSError:  # a process that has ended
                pass
        print(sum(b"select.select([0]" in line for line in lines))
    """
    others = int(printed(run(text, runs=1)[0]))  # of an audit beside this one
    assert int(printed(run(text, runs=1, busy=True)[0])) > others
    assert int(printed(run(text, runs=1)[0])) <= others


@pytest.mark.parametrize(
    "made",
    [
        "default_rng()",
        "default_rng(None)",
        "RandomState()",
        "Generator(np.random.PCG64())",
        "Generator(np.random.MT19937(np.random.SeedSequence()))",
        "seed() or np.random",
    ],
)
def test_every_numpy_generator_without_a_seed_is_held_and_its_line_found(run, made):
    pytest.importorskip("numpy")
    text = f"import numpy as np\nrng = np.random.{made}\nprint(rng.normal(size=2))\n"
    pinned = run(text, "numpy-generator")
    assert printed(pinned[0]) == printed(pinned[1])
    unpinned = run(text, spy="numpy-generator")
    assert printed(unpinned[0]) != printed(unpinned[1])
    assert [site["line"] for site in collected(unpinned[0])] == [2]


SEEDED_STATES = """
import numpy as np
from numpy.random import RandomState
class Own(RandomState):
    pass
np.random.RandomState(7)
np.random.RandomState(seed=7)
RandomState(np.random.MT19937(7))
state = Own(7)
print(isinstance(state, np.random.RandomState), isinstance(np.random.mtrand._rand, RandomState))
print(np.random.RandomState(7).normal(), state.normal())
np.random.RandomState(None)
np.random.RandomState(seed=None)
Own()
"""


@pytest.mark.parametrize("source", ["numpy-generator", "os-entropy"])
def test_a_generator_with_a_seed_is_no_draw_though_it_takes_entropy_to_discard(run, source):
    pytest.importorskip("numpy")
    (plain,) = run(SEEDED_STATES, runs=1)
    (spied,) = run(SEEDED_STATES, runs=1, spy=source)
    assert printed(spied) == printed(plain) and printed(spied).startswith("True True")
    assert [site["line"] for site in collected(spied)] == [12, 13, 14]


LATE = """
    import threading, time
    from concurrent.futures import ThreadPoolExecutor, as_completed
    import random
    def work(n):
        time.sleep(random.random() / 20)
        return n
    with ThreadPoolExecutor(6) as pool:
        print([job.result() for job in as_completed([pool.submit(work, n) for n in range(12)])])
    found = []
    threads = [threading.Thread(target=lambda n=n: found.append(work(n))) for n in range(12)]
    [t.start() for t in threads]; [t.join() for t in threads]
    print(found)
"""


def test_threads_of_the_scripts_own_are_put_in_order(run):
    unpinned = run(LATE)
    assert printed(unpinned[0]) != printed(unpinned[1])
    pinned = run(LATE, "one-pool-thread")
    assert printed(pinned[0]) == printed(pinned[1]) == f"{list(range(12))}\n" * 2
    assert unpinned[0].trace.evidence["thread-race"] > 1


PROCESSES = """
    import random, time
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import Pool
    def work(n):
        time.sleep(random.Random().random() / 20)
        return n
    if __name__ == "__main__":
        with Pool(4) as pool:
            print(list(pool.imap_unordered(work, range(12))))
        with ProcessPoolExecutor(4) as pool:
            print([job.result() for job in as_completed([pool.submit(work, n) for n in range(12)])])
"""


def test_processes_and_threads_are_distinguished(run):
    unpinned = run(PROCESSES)
    assert printed(unpinned[0]) != printed(unpinned[1])
    assert unpinned[0].trace.evidence.get("process-pool") and not unpinned[0].trace.evidence.get(
        "thread-race"
    )
    pinned = run(PROCESSES, "one-process")
    assert printed(pinned[0]) == printed(pinned[1]) == f"{list(range(12))}\n" * 2
    other = run(PROCESSES, "one-pool-thread")
    assert printed(other[0]) != printed(other[1])
    threads = run(LATE, "one-process")
    assert printed(threads[0]) != printed(threads[1])


def test_the_lines_of_a_race_are_where_threads_are_started_and_where_results_are_taken(run):
    (done,) = run(LATE, runs=1, spy="thread-race")
    lines = {one["line"] for one in collected(done)}
    text = textwrap.dedent(LATE).splitlines()
    assert {text[line - 1].split("(")[0].split()[0] for line in lines} >= {
        "with",
        "print",
        "[t.start",
    }


def test_lines_that_drew_are_the_users_own(run):
    text = (
        "import random\nimport helper\ndef f():\n    return random.random()\nf()\nf()\nhelper.g()\n"
    )
    helper = "import random\ndef g():\n    random.shuffle([1, 2])\n"
    (done,) = run(text, runs=1, spy="python-random", files={"helper.py": helper})
    listed = collected(done)
    assert [
        (os.path.basename(one["file"]), one["line"], one["draws"], one["function"])
        for one in listed
    ] == [("train.py", 4, 2, "f"), ("helper.py", 3, 1, "g")]
    assert all(one["in_user_code"] for one in listed)


def test_seeds_of_the_scripts_own_are_noted_with_the_draws_before_them(run):
    (done,) = run("import random\nrandom.random()\nrandom.seed(3)\n", runs=1, spy="python-random")
    (seed,) = collected(done, "seeds")
    assert (seed["function"], seed["line"], seed["draws"], seed["reaches"]) == (
        "random.seed",
        3,
        1,
        True,
    )


def test_draws_after_a_seed_are_distinguished_from_those_that_no_seed_reaches(run):
    text = (
        "import random, sys, tempfile; sys.path.append('site-packages'); import library\n"
        "tempfile.mkdtemp()\n"  # a generator of its own, for names
        "random.seed(3)\n"
        "random.random()\n"  # as it was in the run before
        "random.Random().random()\n"  # no seed of the script's reaches it
        "random.Random(4).random()\n"
        "random.seed()\n"
        "random.random(); random.seed(5)\n"
    )
    library = {
        "site-packages/library.py": "import random\nrandom.random()"
    }  # drawn while it is imported
    (done,) = run(text, runs=1, spy="python-random", files=library)
    assert all(one["in_user_code"] for one in collected(done))
    assert [(one["line"], one["draws"], one["seeded"]) for one in collected(done)] == [
        (4, 1, 1),
        (5, 1, 0),
        (7, 1, 0),
        (8, 1, 0),
    ]
    assert [(one["line"], one["draws"]) for one in collected(done, "seeds")] == [(3, 0), (8, 2)]


def test_a_generator_that_is_given_a_seed_by_name_keeps_it(run):
    pytest.importorskip("numpy")
    text = "import numpy as np; print(np.random.default_rng(seed=4).random(), np.random.default_rng(4).random())"
    first, second = printed(run(text, "numpy-generator", runs=1)[0]).split()
    assert first == second


def test_a_script_that_starts_itself_anew_is_recorded_all_the_same(run):
    text = """
        import os, sys
        if os.environ.get("PYTHONHASHSEED") != "0":
            os.environ["PYTHONHASHSEED"] = "0"
            os.execv(sys.executable, [sys.executable] + sys.argv)
        print(hash("x"))
    """
    done = run(text)
    assert printed(done[0]) == printed(done[1]) != ""


def test_a_script_that_closes_every_descriptor_finds_nothing_of_ours_in_its_files(run, tmp_path):
    text = f"""
        import os
        os.closerange(3, 256)
        results = [open(os.path.join({str(tmp_path)!r}, f"results-{{number}}.csv"), "w") for number in range(8)]
        print("a,b", file=results[0], flush=True)
    """
    (done,) = run(text, runs=1)
    assert done.outcome.completed, done.outcome
    assert sorted(path.read_text() for path in tmp_path.glob("results-*.csv")) == [""] * 7 + [
        "a,b\n"
    ]
    names = [name for table in done.trace.tables for _, name in table.columns]
    assert "random at the end" in names


def test_what_a_program_did_before_it_started_another_is_reported_with_it(run):
    """The other one may train nothing; and where it does not start, the script goes on."""
    text = """
        import os, random, sys
        import numpy as np
        if "again" in sys.argv:
            np.save("second.npy", np.ones(2))
            print(random.random())
        else:
            np.save("first.npy", np.ones(3))
            random.random()
            try:
                os.execv("/nowhere", ["nowhere"])
            except FileNotFoundError:
                np.save("between.npy", np.ones(1))
            os.execl(sys.executable, sys.executable, *sys.argv, "again")
    """
    pytest.importorskip("numpy")
    (done,) = run(text, runs=1, spy="python-random")
    assert printed(done)
    trace = done.trace
    assert trace.document["program"] == 2 and trace.document["outcome"] == {"kind": "completed"}
    assert {"saved first.npy", "saved between.npy", "saved second.npy"} <= set(trace.digests)
    order = [number for table in trace.tables for number in table.sequence.tolist()]
    assert len(trace.tables) == 2 and order == sorted(set(order))
    assert {one["line"]: one["draws"] for one in collected(done)} == {9: 1, 6: 1}


MANAGER = """
    import multiprocessing, tempfile
    if __name__ == "__main__":
        with multiprocessing.Manager() as manager:
            print(list(manager.list([1])), len(tempfile.gettempdir()) < 40)
"""


def test_a_manager_of_multiprocessing_finds_room_for_its_socket_where_something_is_pinned(
    tmp_path, monkeypatch
):
    """The path of a socket has 107 characters at most. TMPDIR has 21 here, which the folders of a
    run add to.
    """
    folder = Path("/tmp", f"{os.getpid():0>16}")
    folder.mkdir()
    try:
        (tmp_path / "train.py").write_text(textwrap.dedent(MANAGER))
        found = program.find("train.py", False, (), tmp_path)
        monkeypatch.setattr(tempfile, "tempdir", str(folder))
        with workspace(prefix=SHORT) as work:
            runner = Runner(
                Interpreter(sys.executable, "tensorflow", fork=False),
                Limits(1, 60.0),
                work.path / RUNS,
                dict(os.environ),
                open_host=lambda *given: process.Process(found, *given),
            )
            pinned = Condition("tensorflow", "auto", "train.py", 1).with_pin(PINS["python-random"])
            asking = Asking(ask([Trial(pinned, 0)]))
            runner.run([asking])
            runner.close()
            assert printed(asking.finding[0]) == "[1] True\n"
        assert len(str(folder)) == 21 and not list(folder.iterdir())
    finally:
        shutil.rmtree(folder)


def test_a_failing_script_and_one_that_exits(run):
    done = run("import sys; print('x'); sys.exit('no data')", runs=1)[0]
    assert (done.outcome.kind, done.outcome.reason) == ("failed", "exited with status 1: no data")
    assert run("import sys; sys.exit(0)", runs=1)[0].outcome.completed
    assert run("import os; os.abort()", runs=1)[0].outcome.reason.startswith("died from SIGABRT")


def test_a_forked_child_does_not_end_the_trace_of_its_parent(run):
    text = """
        import os
        pid = os.fork()
        if pid == 0:
            raise SystemExit(0)  # its exit handlers run, ours among them
        os.waitpid(pid, 0)
        print("parent")
    """
    (done,) = run(text, runs=1)
    assert printed(done) == "parent\n"
    assert (
        len((done.trace.folder / "processes").read_text().split()) == 1
    )  # the report says that it was not recorded


def test_processes_that_the_script_starts_are_pinned_and_named(run):
    draw = "import random; print(random.random())"
    text = (
        f"import subprocess, sys; print(subprocess.check_output([sys.executable, '-c', {draw!r}]))"
    )
    pinned = run(text, "python-random")
    assert printed(pinned[0]) == printed(pinned[1])
    assert len((pinned[0].trace.folder / "processes").read_text().split()) == 1


def test_a_hang_ends_with_the_timeout_and_leaves_no_process(run, tmp_path):
    text = f"""
        import subprocess, sys, time
        other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
        open({str(tmp_path / "pids")!r}, "w").write(str(other.pid))
        time.sleep(600)
    """
    (done,) = run(text, runs=1, timeout=3.0)
    assert done.outcome.kind == "timed-out"
    deadline = time.monotonic() + 10
    while alive(int((tmp_path / "pids").read_text())) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(int((tmp_path / "pids").read_text()))


def test_a_changed_version_that_never_ends_is_stopped_long_before_the_timeout(run, monkeypatch):
    monkeypatch.setattr(process, "PATIENCE", 2.0)
    text = "import os, time; time.sleep(600 * os.path.exists('ran')); open('ran', 'w').close()"

    def as_it_is_then_changed(trials):
        (trial,) = trials
        became = yield trials
        assert became[trial].outcome.completed
        changed = Trial(trial.condition.with_orders(version="changed"), 0)
        return (yield [changed])[changed]

    changed = run(text, runs=1, services=process.Services(), asking=as_it_is_then_changed)
    assert changed.outcome.kind == "timed-out" and changed.outcome.seconds < 30


def test_a_script_that_is_not_there(tmp_path):
    from detaudit.errors import UsageError

    for name, said in (
        ("nowhere.py", "There is no script nowhere.py"),
        ("a.ipynb", "There is no script a.ipynb"),
        ("pkg", "-m pkg"),
        (".", r"There is no script \.\.$"),
        (str(tmp_path), r"There is no script \S+\.$"),
    ):
        (tmp_path / "pkg").mkdir(exist_ok=True)
        with pytest.raises(UsageError, match=said):
            program.find(name, False, (), tmp_path)


def test_an_interpreter_that_ignores_our_hooks_leaves_no_trace(run, monkeypatch, tmp_path):
    wrapper = tmp_path / "python-isolated"
    wrapper.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I "$@"\n')
    wrapper.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(wrapper))
    found = (
        program.find("t.py", False, (), tmp_path)
        if (tmp_path / "t.py").write_text("print(1)")
        else None
    )
    runner = Runner(
        Interpreter(str(wrapper), "tensorflow", fork=False),
        Limits(1, 60.0),
        tmp_path / "c",
        dict(os.environ),
        open_host=lambda *given: process.Process(found, *given),
    )
    monkeypatch.undo()
    asking = Asking(ask([Trial(Condition("tensorflow", "auto", "t.py", 1), 0)]))
    runner.run([asking])
    runner.close()
    assert asking.finding[0].trace is None
    assert not asking.finding[0].outcome.completed


# Whose failure ------------------------------------------------------------------------------------

LOCKED = """
    import os, time
    lock = os.path.join(os.path.dirname(__file__), "lock")
    os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
    time.sleep(1)
    os.remove(lock)
"""


def whose(became, alone):
    """The runs as an audit is given them, with what it says of failures."""

    def investigation(trials):
        def asking(case, blank):
            became.update((yield trials))
            return blank

        case = Case(
            None,
            trials[0].condition,
            {},
            (),
            (),
            None,
            lambda event: None,
            lambda: alone.append(1),
            lambda: (),
        )
        return failures.owned(case, RunAudit("train.py", {}, None, "not decided"), asking)

    return investigation


def test_a_lock_file_that_two_runs_want_at_once_is_no_failure_of_the_script(run):
    became, alone = {}, []
    audit = run(LOCKED, asking=whose(became, alone))
    assert [done.outcome.kind for done in became.values()] == ["completed"] * 2 and alone
    assert "FileExistsError" in audit.notes[0] and "one at a time" in audit.notes[0]


def test_a_run_that_fails_alone_too_has_failed(run):
    became, alone = {}, []
    audit = run("raise ValueError('always')", asking=whose(became, alone))
    assert (
        [done.outcome.kind for done in became.values()] == [FAILED] * 2
        and not alone
        and audit.notes == ()
    )


SUPERVISOR_KILLED = (
    "import os, signal; os.kill(os.getppid(), signal.SIGKILL); import time; time.sleep(0.5)"
)
FOLDER_GONE = "import os, shutil; shutil.rmtree(os.environ['_DETAUDIT_TRIAL'])"


@pytest.mark.parametrize("text", [SUPERVISOR_KILLED, FOLDER_GONE])
def test_a_supervisor_that_died_is_a_fault_of_our_own(run, text):
    became = {}
    audit = run(text, asking=whose(became, []))
    assert became == {} and audit.own_fault and audit.reproducible is None
    assert (
        "fault of detaudit itself, not of the script: the process that supervises the script exited"
        in audit.reason
    )


@pytest.mark.parametrize("left", ["OSError: [Errno 28] No space left on device\n", ""])
def test_a_fault_of_the_hooks_is_a_fault_of_our_own_though_it_could_say_nothing(run, left):
    text = f"import os; open(os.environ['_DETAUDIT_TRIAL'] + '/fault', 'w').write({left!r}); os._exit(70)"
    (done,) = run(text, runs=1)
    assert (
        done.outcome.kind == OWN_FAULT
        and (left.strip() or "printed nothing") in done.outcome.reason
    )


def test_a_run_that_fails_where_our_folder_is_full_says_nothing_of_the_script(run, monkeypatch):
    (done,) = run("raise OSError(28, 'No space left on device')", runs=1)
    assert done.outcome.kind == FAILED  # on a disk of the script's own
    monkeypatch.setattr(program.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 0}))
    (done,) = run("raise OSError(28, 'No space left on device')", runs=1)
    assert done.outcome.kind == OWN_FAULT and "no space is left" in done.outcome.reason
    (done,) = run(SUPERVISOR_KILLED, runs=1)
    assert done.outcome.kind == OWN_FAULT and "no space is left" in done.outcome.reason
    (done,) = run("print('all is well')", runs=1)
    assert done.outcome.completed


def test_temporary_files_of_a_pinned_run_go_when_it_has_ended(run):
    text = (
        "import tempfile\nfile = tempfile.NamedTemporaryFile(delete=False)\n"
        "file.write(b'x' * 100_000)\nprint(file.name)"
    )
    (done,) = run(text, "fixed-addresses", runs=1)
    name = printed(done).strip()
    assert not os.path.exists(name) and not os.path.exists(os.path.dirname(name))


@pytest.mark.parametrize("private", [True, False])
def test_temporary_files_of_a_run_that_is_ended_early_are_removed(
    run, private, tmp_path, monkeypatch
):
    """It ends without its exit handlers, which would have removed them."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    text = """
        import tempfile
        print(tempfile.mkdtemp())
    """
    (made,) = [Path(printed(one).strip()) for one in run(text, runs=1, private=private)]
    assert made.exists() is not private
    assert made.is_relative_to(tmp_path / "tmp") is not private


def test_shared_memory_of_a_run_that_is_ended_early_is_unlinked(run):
    """Python unlinks it in a process of its own, when every other process of the run is gone."""
    name = f"detaudit-{os.getpid()}"
    text = f"""
        import os
        from multiprocessing import Process, shared_memory
        Process(target=lambda: __import__("time").sleep(600)).start()
        shared_memory.SharedMemory(create=True, size=10, name="{name}")
        os._exit(3)
    """
    (done,) = run(text, runs=1)
    assert not done.outcome.completed and not Path("/dev/shm", name).exists()


def test_what_joblibs_processes_share_is_removed_if_a_run_is_ended_early(run):
    pytest.importorskip("joblib")
    text = """
        import os, time
        import joblib
        import numpy as np
        def work(values, number):
            if number:
                os.kill(os.getppid(), 9)
            time.sleep(600)
        print(os.getpid(), flush=True)
        joblib.Parallel(2, max_nbytes=10)(joblib.delayed(work)(np.zeros(100), n) for n in range(2))
    """
    (done,) = run(text, runs=1)
    number = (done.trace.folder / "stdout").read_text().strip()
    assert number.isdigit() and not done.outcome.completed
    assert not [name for name in os.listdir("/dev/shm") if number in re.split("[-_]", name)]


SEEDING = """
    import random, sys
    sys.path.append("site-packages")
    import library
    import numpy as np
    random.seed(4)
    np.random.seed(seed=5)
    rng, old = np.random.default_rng(6), np.random.RandomState(7)
    own = random.Random(8)
    print(random.random(), np.random.rand(), rng.random(), old.rand(), own.random(), library.made)
    print(isinstance(np.random.mtrand._rand, np.random.RandomState))
"""
LIBRARY = {"site-packages/library.py": "import random\nmade = random.Random(3).random()"}


def test_each_seed_of_the_script_gets_the_number_added_and_is_named(run):
    pytest.importorskip("numpy")
    first, same, other = (
        run(SEEDING, runs=1, seeds_plus=added, files=LIBRARY)[0] for added in (None, 0, 2)
    )
    by_hand = re.sub(r"(?<=[(=])[4-8](?=\))", lambda seed: str(int(seed[0]) + 2), SEEDING)
    (expected,) = run(by_hand, runs=1, files=LIBRARY)
    assert printed(first) == printed(same) != printed(other) == printed(expected)
    named = [(one["line"], one["function"]) for one in collected(other, "seeds")]
    assert named == [
        (6, "random.seed"),
        (7, "numpy.random.seed"),
        (8, "numpy.random.default_rng"),
        (8, "numpy.random.RandomState"),
        (9, "random.Random.seed"),
    ]


def test_a_run_may_be_given_arguments_of_its_own(run):
    text = "import sys; print(sys.argv[1:])"
    (done,) = run(text, runs=1, arguments=("--lr", "1"), more_arguments=("--seed", "7"))
    assert printed(done) == "['--lr', '1', '--seed', '7']\n"
    saved = json.loads((done.trace.folder / "launch.json").read_text())
    assert "7" not in saved["command"] and "--lr" not in saved["command"]
