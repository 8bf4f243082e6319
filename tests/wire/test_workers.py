"""What workers draw is a cause like any other: in which process, from which generator and in which
line.
"""

import pytest

from tests.slow import slow
from tests.wire.test_any_program import audited

SPAWNED = """
import multiprocessing, random

def work(number):
    return number + random.random()

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        print(pool.map(work, range(6), chunksize=1))
"""
BY_JOBLIB = """
import numpy as np
from joblib import Parallel, delayed

np.random.seed(1)

def work(number):
    return number + np.random.normal()

print(Parallel(n_jobs=2)(delayed(work)(number) for number in range(6)))
"""
OF_FUTURES = """
from concurrent.futures import ProcessPoolExecutor
import numpy as np

def work(number):
    return number + np.random.default_rng().normal()

if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        print(list(pool.map(work, range(6))))
"""
#: The workers inherit a state that the program has seeded: only the race decides.
INHERITED = """
import multiprocessing, time
import numpy as np

np.random.seed(1)

def work(number):
    time.sleep(0.02 * (number % 3))
    return number + np.random.normal()

if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        print(pool.map(work, range(16), chunksize=1))
"""
#: Each worker is seeded when it starts, so only the race decides.
INITIALIZED = INHERITED.replace('"fork"', '"spawn"').replace(
    "Pool(2)", "Pool(2, np.random.seed, (1,))"
)


#: The same, of Python's generator. (A pool would pickle ``random.seed`` with a copy of it.)
BY_AN_INITIALIZER = """
import multiprocessing, random, time

def start():
    random.seed(1)

def work(number):
    time.sleep(0.02 * (number % 3))
    return number + random.random()

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(2, start) as pool:
        print(pool.map(work, range(16), chunksize=1))
"""
#: No pool: each process is a task.
PROCESSES = """
import multiprocessing, random

def work(queue, number):
    queue.put((number, random.random()))

if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=work, args=(queue, number)) for number in range(2)]
    for process in processes:
        process.start()
    print(sorted(queue.get() for _ in processes))
"""
#: Draws when its workers start.
AT_THEIR_START = """
import multiprocessing, random

def start():
    global offset
    offset = random.random()

def work(number):
    return offset + number

if __name__ == "__main__":
    with multiprocessing.get_context("forkserver").Pool(1, start) as pool:
        print(pool.map(work, range(4)))
"""


@pytest.mark.parametrize(
    ("text", "source", "line"),
    [
        (SPAWNED, "python-random", 5),
        pytest.param(PROCESSES, "python-random", 5, marks=slow),
        pytest.param(AT_THEIR_START, "python-random", 6, marks=slow),
        pytest.param(BY_JOBLIB, "numpy-legacy", 8, marks=slow),
        pytest.param(OF_FUTURES, "numpy-generator", 6, marks=slow),
    ],
)
def test_a_generator_that_is_seeded_in_each_worker_is_named_with_its_line(
    tmp_path, text, source, line
):
    report = audited(tmp_path, text)
    assert [one["source"] for one in report["causes"]] == [source], report["reason"]
    assert [site["line"] for site in report["causes"][0]["sites"]] == [line]
    assert report["causes"][0]["note"].startswith("worker processes draw from it")
    assert "Give each task a seed of its own" in report["no_fix_reason"]


@slow
@pytest.mark.parametrize("text", [INHERITED, INITIALIZED, BY_AN_INITIALIZER])
def test_a_race_for_tasks_is_named_if_the_program_has_seeded_its_workers(tmp_path, text):
    report = audited(tmp_path, text)
    assert [one["source"] for one in report["causes"]] == ["process-pool"], report["reason"]
    lines = text.splitlines()
    shown = {lines[site["line"] - 1] for site in report["causes"][0]["sites"]}
    assert any("Pool(" in line for line in shown) and any("number +" in line for line in shown)


def test_a_seed_for_each_task_is_reproducible(tmp_path):
    seeded = SPAWNED.replace("random.random()", "random.Random(number).random()")
    report = audited(tmp_path, seeded, "--no-search")
    assert report["reproducible"] is True, report["reason"]
