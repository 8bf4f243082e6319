"""Ends the two runs of a pair as soon as their traces differ, if only that is asked."""

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from detaudit_probes import protocol

from detaudit.core import trace as traces
from detaudit.core.condition import Trial
from detaudit.core.divergence import differ_so_far
from detaudit.core.experiment import Finished
from detaudit.core.trace import Trace

PAUSE = 0.5  # seconds between two comparisons of running trials
SHARE = 0.05  # of the time, at most, that goes into them


class Differing:
    """Compares what running trials have recorded so far, from time to time."""

    def __init__(self) -> None:
        self._next = 0.0

    def stop(self, trials: Iterable[tuple[Trial, Path]], finished: Mapping[str, Finished]) -> None:
        """Have the trials ended that differ from the other one of their pair, which may have
        finished. ``trials`` are those that run, and their folders; a trial ends itself at the end
        of a step.
        """
        began = time.monotonic()
        if began < self._next:
            return
        running = dict(trials)
        for trial, folder in running.items():
            if not trial.condition.orders.stop_differing or (folder / protocol.STOP_FILE).exists():
                continue
            ours, theirs = traces.read(folder), _trace_of(trial.other, running, finished)
            if ours is not None and theirs is not None and differ_so_far(ours, theirs):
                (folder / protocol.STOP_FILE).touch()
        ended = time.monotonic()
        self._next = ended + max(PAUSE, (ended - began) / SHARE)


def _trace_of(
    trial: Trial, running: Mapping[Trial, Path], finished: Mapping[str, Finished]
) -> Trace | None:
    if trial in running:
        return traces.read(running[trial])
    known = finished.get(trial.key())
    return known.trace if known is not None else None
