"""Audits of a script made by hand, for the tests of a run's report."""

from dataclasses import replace

from detaudit.commands.run.findings import (
    Cause,
    Cost,
    Costs,
    Fix,
    Growth,
    Isolation,
    Observer,
    Output,
    Quantity,
    Repeats,
    RunAudit,
    Search,
    Site,
    Varied,
)
from detaudit.core.condition import Condition, Trial
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.outcome import COMPLETED, CRASHED, FAILED, Outcome
from detaudit.core.pinpoint import LayerReplay, LocatedOperation, Pinpoint, Replays
from detaudit.core.step_grid import LayerSteps, StepGrid
from detaudit.core.ulp import Distance
from detaudit.report.build import run as build_run
from detaudit.report.privacy import Private
from detaudit.report.schema import v1

PRIVATE = Private(home="/home/ada", temporary="/tmp", host="engine")

PROCESSES = (
    "the script starts or forks processes, up to 2 in one run: those that run Python are pinned like "
    "the script, but not recorded"
)
UNPINNED = Condition("tensorflow", "auto", "train.py", 1)
SITES = (
    Site(
        "train.py", 7, "<module>", 2, False, ("core/dense.py:111 in __init__", "random.py:1 in get")
    ),
    Site("nets/model.py", 12, "make", 1, True),
)
DIFFERING = RunAudit(
    "train.py",
    {"seed": 1, "backend": "tensorflow", "python": "/home/ada/venv/bin/python"},
    False,
    "two runs of the same script differ",
    environment={"python": "3.11.7", "packages": {"tensorflow": "2.21.0", "keras": "3.15.1"}},
    repeats=Repeats(
        6,
        0,
        3,
        Divergence("init", None, "sequential/dense/kernel", "bits", Distance(9, 10, 10, 0, 0.5)),
    ),
    origin="the variable differed before its first step",
    unrecorded=Repeats(2, 0, 1),
    pinned=Repeats(4, 2, 0),
    growth=(
        Growth(0, 31, 31, 1024, 1.2723e-4),
        Growth(1, 31, 31, 65_536, 0.0081),
        Growth(2, 31, 31, 2118497479, 1.2723),
    ),
    step_grid=StepGrid(
        (
            LayerSteps("data", "", "0000"),
            LayerSteps("update", "sequential/dense", "1111"),
            LayerSteps("update", "optimizer", "-111"),
        ),
        8,
        2,
        1,
        0,
        1,
    ),
    causes=(
        Cause(
            "python-random",
            "python-random",
            True,
            SITES,
            "the seeds that the script sets do not affect it: numpy.random.seed at train.py:3",
        ),
    ),
    fix=Fix(
        "--- a/train.py\n+++ b/train.py\n@@ -1,2 +1,4 @@\n+import random\n+random.seed(1)\n import keras\n x = 1\n",
        (("PYTHONHASHSEED", "0"),),
        True,
        6,
        "6 runs of the changed script are bitwise identical (a rate above 63% is excluded)",
        1.01,
        (0.99, 1.03),
    ),
    cost=Costs(
        3,
        Cost((), (), 1.01, (0.98, 1.1)),
        (
            Cost(("python-random",), (), 1.31, (1.27, 1.4)),
            Cost(("hash-seed",), (), 1.0, (0.96, 1.02)),
            Cost(("clock",), (), 1.06, (1.04, 1.07)),
            Cost(("python-random", "op-determinism"), ("python-random",)),
        ),
        Cost(("python-random",), (), 1.31, (1.27, 1.4)),
        Cost(("os-entropy",), ("python-random",), 0.8, (0.75, 0.9)),
        ("without python-random, trying os-entropy: os-entropy also works, and is faster",),
    ),
    observer=Observer(True, "with everything pinned, recorded and unrecorded runs match"),
    search=Search(
        24,
        61.5,
        (
            "hash-seed pinned: runs differ",
            "python-random, hash-seed pinned: runs match",
        ),
        ("clock",),
        ("one-worker",),
    ),
    trials=(Finished(Trial(UNPINNED, 0), 1, Outcome(COMPLETED, "", 5.5, 400_000_000, 1e9), None),),
    began="2026-01-02T03:04:05+00:00",
    seconds=93.0,
)
MATCHING = RunAudit(
    "train.py",
    {"seed": 1},
    True,
    "the runs are bitwise identical",
    repeats=Repeats(5, 2, 0),
    unrecorded=Repeats(2, 1, 0),
    notes=(PROCESSES,),
    outputs=(
        Output("saved", "model.keras", True),
        Output("metric", "seconds", False),
        Output("data", "batches that no step used", False),
        Output("name", "calm / brave", False),
        Output("generator", "Python's random module", False),
        Output("printed", "standard output", False, 12),
    ),
    variations=(
        Varied("hash-seed", "another hash seed", True, "the same bits"),
        Varied(
            "intra-op-threads",
            "another thread count",
            False,
            "other bits in 3 of 3 runs",
            Divergence("update", 3, "dense/kernel", "bits"),
        ),
    ),
    strict=False,
    trials=tuple(
        Finished(
            Trial(UNPINNED, number), number + 1, Outcome(COMPLETED, "", 2.5, 400_000_000), None
        )
        for number in range(7)
    ),
    began="2026-01-02T03:04:05+00:00",
    seconds=12.0,
)


#: Everything that a run's report can say of runs that part, at once.
WHOLE = replace(
    DIFFERING,
    quantity=Quantity("accuracy", 0.912, 0.931),
    pinpoint=Pinpoint(
        "fit",
        126,
        "kernel",
        LocatedOperation("ResourceScatterAdd", ("float32[5, 2]",), (), "CPU:0", {}, Replays(10, 4)),
        "update",
        "embedding/embeddings",
        "train.py:6",
        Replays(20, 5),
        Replays(20, 5),
        Replays(20, 3),
        True,
        False,
        (
            LayerReplay("forward", "embedding", 4, 1, 1),
            LayerReplay("update", "embedding/embeddings", 2, 1, 5),
            LayerReplay("update", "dense/kernel", 2, 5, 5),
        ),
    ),
    causes=(
        replace(
            DIFFERING.causes[0],
            sites=(
                *SITES,
                *(Site("nets/model.py", line, "make", line, True) for line in range(20, 25)),
            ),
        ),
        Cause("hash-seed", "hash-seed", True),
    ),
    changed_files=("log.txt", "out/model.keras"),
    isolation=Isolation("copy", "no overlay can be mounted", ("data",), ("/home/ada/log",), ()),
    notes=(PROCESSES,),
    unresolved_pins=("one-worker",),
    trials=(
        *DIFFERING.trials,
        Finished(
            Trial(UNPINNED, 1),
            2,
            Outcome(CRASHED, "died from SIGSEGV after 3 steps", 2.0, 1, 1e9 + 1.5),
            None,
        ),
    ),
)
#: A script that fails every time.
FAILING = RunAudit(
    "train.py",
    {"seed": 1},
    None,
    "the script fails every time: ValueError: no such layer",
    traceback="".join(f"  File train.py, line {line}\n" for line in range(30))
    + "ValueError: no such layer\n",
    trials=(
        Finished(Trial(UNPINNED, 0), 1, Outcome(FAILED, "ValueError: no such layer", 2.0, 1), None),
    ),
    began="2026-01-02T03:04:05+00:00",
    seconds=4.0,
)
AUDITS = {"differing": WHOLE, "matching": MATCHING, "failing": FAILING}


def document(audit: RunAudit) -> v1.RunReport:
    return build_run.document(audit, PRIVATE)
