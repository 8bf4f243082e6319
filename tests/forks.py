"""Runs of a script in fresh processes, and of the same condition from a nest of the script."""

import os
import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path

from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Asking, Finished
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program import process, program, sandboxed
from detaudit.execution.program.forks import Forks
from detaudit.execution.program.nests import Nests
from detaudit.execution.runner import Runner
from detaudit.execution.sandbox import choice
from detaudit.execution.sandbox.view import OVERLAY
from detaudit_probes import sources

PINS = {name: pin for name, (pin, _) in sources.pins(sources.SCRIPT_MODULES).items()}


class Audited:
    """A script in a folder of its own, audited under an overlay; ``files`` are others in it."""

    def __init__(
        self,
        folder: Path,
        text: str,
        files: dict[str, str] | None = None,
        arguments: tuple[str, ...] = (),
        python: str = sys.executable,
        jobs: int = 2,
        timeout: float = 120.0,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.root = folder / "project"
        for name, content in {"train.py": text, **(files or {})}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(content))
        ours = folder / "ours"
        ours.mkdir(exist_ok=True)
        self.program = program.find("train.py", False, arguments, self.root)
        self.sandbox = choice.choose(self.root, ours, OVERLAY, self.program.beside).sandbox
        services = process.Services(sandboxed=sandboxed.Sandboxed(self.sandbox))
        self.forks = Forks()
        self.nests = Nests(self.program, self.forks, services)
        self.runner = Runner(
            Interpreter(python, "tensorflow", fork=False),
            Limits(jobs, timeout),
            ours / "r",
            {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **(environment or {})},
            keep_bytes=False,
            open_host=lambda *given: process.Process(self.program, *given, services),
            program_nests=self.nests,
        )

    def fresh(self, *pins: str, runs: int = 1, first: int = 0, **orders: object) -> list[Finished]:
        """Runs in fresh processes, ``first`` the number of the first one."""
        return self._run(pins, range(first, first + runs), orders)

    def forked(self, *pins: str, runs: int = 2, first: int = 0, **orders: object) -> list[Finished]:
        """Runs that may be forked; a fresh one has shown where, as in an audit."""
        if not self.runner.finished:
            self.fresh()
        self.forks.want()
        return self._run(pins, range(first, first + runs), {**orders, "forked": True})

    def _run(
        self, pins: Iterable[str], numbers: Iterable[int], orders: dict[str, object]
    ) -> list[Finished]:
        condition = Condition("tensorflow", "auto", "train.py", 1).with_orders(**orders)
        for name in pins:
            condition = condition.with_pin(PINS[name])
        asking = Asking(_ask([Trial(condition, number) for number in numbers]))
        self.runner.run([asking])
        return asking.finding

    def close(self) -> None:
        self.runner.close()
        self.sandbox.close()


def _ask(wanted: list[Trial]):
    found = yield wanted
    return [found[trial] for trial in wanted]


def printed(run: Finished) -> str:
    assert run.outcome.completed, (run.outcome, error_of(run))
    assert run.trace is not None
    return (run.trace.folder / "stdout").read_text()


def error_of(run: Finished) -> str:
    return (run.trace.folder / "stderr").read_text()[-2000:] if run.trace is not None else ""


def was_forked(run: Finished) -> bool:
    """Whether a nest ran this trial: several of its trials lie beside the nest's own folder."""
    assert run.trace is not None
    return (run.trace.folder.parent / "00000").exists()
