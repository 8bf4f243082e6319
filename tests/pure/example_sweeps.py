"""Sweeps over operations made by hand, for the tests of their report."""

from dataclasses import replace

from detaudit.commands.ops import sweep
from detaudit.commands.ops.findings import Operation, OpsAudit, Refusal
from detaudit.core.condition import Trial
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.outcome import COMPLETED, CRASHED, Outcome
from detaudit.core.pinpoint import LocatedOperation, Replays
from detaudit.core.ulp import Distance
from detaudit.registry import base
from detaudit.report.build import ops as build_ops
from detaudit.report.privacy import Private
from detaudit.report.schema import v1

PRIVATE = Private(home="/home/ada", temporary="/tmp", host="engine")
CONDITIONS = sweep.Conditions.of(base.base_condition("tensorflow", "cpu", 1), base.known_pins())

OPERATION = LocatedOperation(
    "ResourceScatterAdd",
    ("resource float32[5, 2]", "int32[40]", "float32[40, 2]"),
    (),
    "CPU:0",
    {},
    Replays(10, 4),
    (None, (0, 4), None),
    (("resource", 0), ("indices", 1), ("updates", 2)),
)
FOUND = OpsAudit(
    {"seed": 1, "list_raising": False},
    "cpu",
    (
        Operation(
            "ResourceScatterAdd",
            "float32",
            "needs-pin",
            "4 distinct results in 20 replays",
            Replays(20, 4),
            Replays(10, 1),
            Replays(10, 1),
            Replays(20, 5),
            cost=1.5,
            cost_range=(1.2, 1.9),
            differing_operation=OPERATION,
        ),
        Operation("ResourceScatterAdd", "float16", "needs-pin", "the same", Replays(20, 4)),
        Operation(
            "MatMul",
            "float32",
            "varies",
            "its bits change with oneDNN",
            Replays(20, 1),
            same_without_onednn=False,
            same_in_a_batch=False,
        ),
        Operation("Relu", "float32", "reproducible", "20 replays agree", Replays(20, 1)),
    ),
    (
        Refusal(
            "Determinism is not yet supported for Dilation2DBackpropFilter.",
            ("Dilation2DBackpropFilter",),
            (),
            ("Dilation2DBackpropFilter",),
        ),
    ),
    trials=(
        Finished(Trial(CONDITIONS.default, 0), 1, Outcome(COMPLETED, "", 5.5, 400_000_000), None),
    ),
    environment={"python": "3.11.7"},
    began="2026-01-02T03:04:05+00:00",
    seconds=160.0,
)


#: Every verdict, a warning, and messages of which some operations refused and others ran.
WHOLE = replace(
    FOUND,
    operations=(
        *FOUND.operations,
        Operation(
            "Dilation2DBackpropFilter",
            "float32",
            "broken",
            "3 distinct results in 10 replays under op determinism",
            Replays(20, 4),
            Replays(10, 3),
            Replays(10, 1),
            Replays(20, 5),
            same_on_one_thread=False,
            divergence=Divergence("forward", 3, "result 0", "bits", Distance(3, 7, 640, 12, 1e-7)),
            library_message="Determinism is not yet supported for Dilation2DBackpropFilter.",
            contradicts_documentation="it ran under op determinism, though the library says that it refuses",
        ),
        Operation("FusedBatchNorm", "half", "error", "crashed: died of SIGSEGV after 3 calls"),
        Operation(
            "SparseTensorDenseMatMul",
            "float32",
            "varies",
            "it refuses to run under op determinism",
            Replays(20, 1),
            refusal_message="UnimplementedError: no deterministic GPU implementation",
        ),
        Operation("CudnnRNN", "float32", "skipped", "no GPU here"),
    ),
    refusals=(
        *FOUND.refusals,
        Refusal("No deterministic | GPU implementation.", ("CudnnRNN", "Bincount"), ("Bincount",)),
        Refusal("Nothing of this kind is named.", ()),
    ),
    warnings=("one thread was all that could be had: races show on two",),
    trials=(
        *FOUND.trials,
        Finished(Trial(CONDITIONS.default, 1), 2, Outcome(CRASHED, "died of SIGSEGV", 2, 1), None),
    ),
)
AUDITS = {
    "sweep": WHOLE,
    "repeats": replace(FOUND, operations=FOUND.operations[3:], refusals=()),
    "raising": replace(
        WHOLE, options={"seed": 1, "list_raising": True}, operations=(), warnings=()
    ),
}


def document(audit: OpsAudit = FOUND) -> v1.OpsReport:
    return build_ops.document(audit, PRIVATE)
