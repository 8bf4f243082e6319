"""Runs with different seeds made by hand, for the tests of their report."""

from dataclasses import replace

from detaudit.commands.spread.conclusion import conclude
from detaudit.commands.spread.findings import (
    ARGUMENTS,
    CALLS,
    VARIABLE,
    Against,
    SeedCall,
    Seeding,
    SpreadAudit,
)
from detaudit.commands.spread.findings import (
    Row as SourceRow,
)
from detaudit.commands.spread.summary import difference, metric
from detaudit.core.condition import Condition, Trial
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.outcome import COMPLETED, CRASHED, Outcome
from detaudit.report.build import common
from detaudit.report.privacy import Private
from detaudit.report.schema import v1

PRIVATE = Private(home="/home/ada", temporary="/tmp", host="engine")
LOSSES = (0.0123, 0.0141, 0.0098, 0.0117, 0.0150, 0.0131)


def trial(seed: int, outcome: Outcome) -> Finished:
    condition = Condition("tensorflow", "cpu", "tutorial", seed)
    return Finished(Trial(condition, 0), seed, outcome, None)


VARYING = SpreadAudit(
    {"runs": 6, "seed": 1},
    (1, 2, 3, 4, 5, 6),
    1,
    (metric("loss", LOSSES, 1),),
    trials=tuple(
        trial(seed, Outcome(COMPLETED, "", 2.0, 300_000_000, 1e9 + seed)) for seed in range(1, 7)
    ),
    began="2026-01-02T03:04:05+00:00",
    seconds=9.0,
)
IDENTICAL = replace(VARYING, identical=6, metrics=(metric("loss", [0.5] * 6, 1),))
#: One run crashed, and one ended on no number.
PARTLY = replace(
    VARYING,
    seeds=(1, 3, 4, 5, 6),
    metrics=(metric("loss", [0.0123, float("nan"), 0.0117, 0.0150, 0.0131], 1),),
    trials=(
        *VARYING.trials[:1],
        trial(2, Outcome(CRASHED, "died from SIGSEGV after 3 steps", 1.0, 1, 1e9 + 2)),
        *VARYING.trials[2:],
    ),
)
CALLED = Seeding(
    CALLS,
    calls=(SeedCall("train.py", 6, "random.seed"), SeedCall("train.py", 7, "torch.manual_seed")),
)
OF_CALLS = replace(VARYING, program="train.py", seeding=CALLED, seeds=(0, 1, 2, 3, 4, 5))
OF_ARGUMENTS = replace(VARYING, program="train.py", seeding=Seeding(ARGUMENTS, "--seed {seed}"))
FREE = replace(VARYING, program="train.py", seeding=Seeding(CALLS))
#: The variable is not read: only two runs were made.
IGNORED = replace(
    VARYING,
    program="train.py",
    seeding=Seeding(VARIABLE, "SEED"),
    ignored=True,
    seeds=(1, 2),
    identical=2,
    metrics=(metric("loss", [0.5] * 2, 1),),
    trials=VARYING.trials[:2],
)


def against(values: tuple[float, ...], seeds: tuple[int, ...] = (1, 2, 3, 4, 5, 6)) -> Against:
    apart = [other - one for one, other in zip(LOSSES, values, strict=False)]
    return Against(
        "other.py",
        OF_ARGUMENTS.seeding,
        False,
        seeds,
        1,
        (metric("loss", values, 1),),
        (difference("loss", apart, 1),),
    )


BETTER = replace(OF_ARGUMENTS, against=against((0.0103, 0.0125, 0.0079, 0.0095, 0.0131, 0.0109)))
UNSURE = replace(OF_ARGUMENTS, against=against((0.0143, 0.0125, 0.0099, 0.0115, 0.0131, 0.0139)))
BY_SOURCE = replace(
    VARYING,
    options={"runs": 6, "seed": 1, "by_source": True},
    program="train.py",
    seeds=(),
    identical=0,
    metrics=(),
    power=0.2,
    by_source=(
        SourceRow("nothing", 6, 6, 6, False, None, (metric("loss", LOSSES[:1] * 6, 1),)),
        SourceRow("hash-seed", 3, 3, 3, False, None, (metric("loss", LOSSES[:1] * 3, 1),)),
        SourceRow(
            "numpy-legacy with os-entropy",
            6,
            6,
            1,
            True,
            Divergence("data", 0, "batch.0", "bits"),
            (metric("loss", LOSSES, 1),),
        ),
        SourceRow(
            "everything",
            6,
            6,
            1,
            True,
            Divergence("init", None, "dense/kernel", "bits"),
            (metric("loss", [3 * value for value in LOSSES], 1),),
        ),
    ),
)
#: A model of ours, which classifies.
COMPONENTS = replace(
    BY_SOURCE,
    options={"runs": 6, "seed": 1, "by_source": True, "model": "classifier"},
    program="",
    by_source=tuple(
        replace(row, free=free, churn=churn)
        for row, free, churn in zip(
            BY_SOURCE.by_source,
            ("nothing", "dropout", "weight-init", "everything"),
            (0.0, 0.0, 0.101, 0.125),
            strict=True,
        )
    ),
)
AUDITS = {
    "varying": VARYING,
    "identical": IDENTICAL,
    "partly": PARTLY,
    "calls": OF_CALLS,
    "arguments": OF_ARGUMENTS,
    "free": FREE,
    "ignored": IGNORED,
    "better": BETTER,
    "unsure": UNSURE,
    "by-source": BY_SOURCE,
    "components": COMPONENTS,
}


def document(audit: SpreadAudit) -> v1.SpreadReport:
    return common.document(v1.SpreadReport, audit, conclude(audit), private=PRIVATE)
