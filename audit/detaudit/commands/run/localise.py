"""From the step at which runs differ to the operation: the step is replayed in two processes, and
their observations are compared.
"""

from collections.abc import Generator, Sequence
from dataclasses import replace

from detaudit_probes import protocol
from detaudit_probes.backends import EVERY_BACKEND
from detaudit_probes.protocol import Settings

from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import RunAudit
from detaudit.commands.run.origin import step_table
from detaudit.commands.run.repeat import first_differing_pair
from detaudit.core.condition import Trial, pair
from detaudit.core.events import Phase
from detaudit.core.experiment import Finished
from detaudit.core.pinpoint import judged
from detaudit.execution.program.launch import relative

STEP, TENSOR, LAYER, OPERATION = "step", "tensor", "layer", "op"
#: Pairs of processes, if the previous ones say nothing: first of an idle machine, then while every
#: core is busy, which makes a thread come first that otherwise comes last.
IDLE, BUSY = 3, 3
DEPTHS = (STEP, TENSOR, LAYER, OPERATION)


def localise(
    case: Case, audit: RunAudit, done: Sequence[Finished]
) -> Generator[Sequence[Trial], dict[Trial, Finished], RunAudit]:
    """Return ``audit`` with the operation, or only the layer, at which its runs differ, if the step
    can be replayed or recorded.
    """
    found = first_differing_pair(done)
    divergence = audit.repeats.divergence
    if (
        case.depth not in (LAYER, OPERATION)
        or divergence is None
        or divergence.step is None
        or found is None
    ):
        return audit
    if found[1].trace is None or found[1].trace.measures.backend not in EVERY_BACKEND:
        return audit
    if divergence.stage == "data" or divergence.name.startswith(protocol.ARGUMENT):
        return audit  # the inputs differed
    table = step_table(found[1].trace, divergence)
    replayed = case.ended_after(case.unpinned, divergence.step + 1).with_orders(
        pinpoint=divergence.step,
        every=1,
        eager=table is None or not table.name.startswith("fit"),
    )
    case.emit(Phase(f"Replaying step {divergence.step}, operation by operation"))
    runs: list[Finished] = []
    found_there = None
    for number in range(IDLE + BUSY):
        busy = Settings(busy=True) if number >= IDLE else Settings()
        trials = pair(replayed.with_settings(busy), number)
        finished = yield list(trials)
        runs += [finished[trial] for trial in trials]
        found_there = judged(runs)
        if found_there is None or found_there.failed or found_there.operation is not None:
            break
    if found_there is not None:
        found_there = replace(found_there, line=_shown(found_there.line, case))
        if case.depth == LAYER:
            found_there = replace(found_there, operation=None)
    return replace(audit, pinpoint=found_there)


def _shown(line: str, case: Case) -> str:
    """Return ``file:line``, with the file as the call sites of a cause name it."""
    file, _, number = line.rpartition(":")
    return f"{relative(file, case.program.root.resolve())}:{number}" if file else ""
