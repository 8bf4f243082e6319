"""Sweeps over operations made by hand, for the tests of their report."""

from dataclasses import replace

from detaudit.commands.ops import sweep
from detaudit.commands.ops.findings import Operation, OpsAudit, Refusal
from detaudit.core.condition import Trial
from detaudit.core.counting import excluded_rate
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
            "4 distinct results in 20 replays; pinned by op determinism and by one thread",
            Replays(20, 4),
            Replays(10, 1),
            Replays(10, 1),
            Replays(20, 5),
            cost=1.5,
            cost_range=(1.2, 1.9),
            differing_operation=OPERATION,
        ),
        Operation(
            "ResourceScatterAdd",
            "float16",
            "needs-pin",
            "4 distinct results in 20 replays; pinned by op determinism",
            Replays(20, 4),
            Replays(10, 1),
        ),
        Operation(
            "MatMul",
            "float32",
            "varies",
            "replays match, but the bits change with oneDNN",
            Replays(20, 1),
            same_without_onednn=False,
            same_in_a_batch=False,
        ),
        Operation(
            "Relu",
            "float32",
            "reproducible",
            f"20 replays match (a rate above {excluded_rate(10):.0%} is excluded)",
            Replays(20, 1),
        ),
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
            "3 distinct results in 10 replays under op determinism, and again 2 distinct results in 10 replays; "
            "with one thread they match",
            Replays(20, 4),
            Replays(10, 3),
            Replays(10, 1),
            Replays(20, 5),
            same_on_one_thread=False,
            divergence=Divergence("forward", 3, "result 0", "bits", Distance(3, 7, 640, 12, 1e-7)),
            library_message="Determinism is not yet supported for Dilation2DBackpropFilter.",
            contradicts_documentation="it ran under op determinism, although the library says that it refuses, "
            "whatever the device",
        ),
        Operation("FusedBatchNorm", "half", "error", "crashed: died from SIGSEGV after 3 calls"),
        Operation(
            "SparseTensorDenseMatMul",
            "float32",
            "reproducible",
            f"20 replays match (a rate above {excluded_rate(10):.0%} is excluded)",
            Replays(20, 1),
            refusal_message="UnimplementedError: no deterministic GPU implementation",
        ),
        Operation(
            "CudnnRNN",
            "float32",
            "skipped",
            "no kernel for float32 here: NotFoundError: no CPU kernel",
        ),
    ),
    refusals=(
        *FOUND.refusals,
        Refusal("No deterministic | GPU implementation.", ("CudnnRNN", "Bincount"), ("Bincount",)),
        Refusal("Nothing of this kind is named.", ()),
    ),
    warnings=(
        "OMP_NUM_THREADS is set in your environment and may do nothing: see the placebo "
        "omp-num-threads (OMP_NUM_THREADS=1 with the pip build of TensorFlow)",
    ),
    trials=(
        *FOUND.trials,
        Finished(
            Trial(CONDITIONS.default, 1), 2, Outcome(CRASHED, "died from SIGSEGV", 2, 1), None
        ),
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
