"""One ``detaudit ops``: the sweep over a runner, then what must be timed with nothing beside it."""

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from detaudit_probes.ops import catalogue

from detaudit import base, environment, gpu, machine
from detaudit.condition import Condition, Trial
from detaudit.core.experiment import Asking, ask_once
from detaudit.errors import EnvironmentUnusable, UsageError
from detaudit.events import Emit, Phase, Told
from detaudit.execution.host import Interpreter
from detaudit.ops import sweep
from detaudit.ops.findings import OpsAudit
from detaudit.outcome import UNAVAILABLE
from detaudit.runner import Limits, Runner, default_jobs
from detaudit.workspace import Workspace, workspace


@dataclass(frozen=True)
class Options:
    """What the user asked for; it stands in the report."""

    python: str
    backend: str = "tensorflow"
    device: str = "auto"
    only: tuple[str, ...] = ()
    list_raising: bool = False
    price: bool = True
    jobs: int | None = None
    timeout: float = 300.0
    budget: float | None = None
    seed: int = 1
    strict: bool = False


def chosen(only: Sequence[str]) -> tuple[str, ...]:
    """The entries of the catalogue to replay, by name; all where none is named. Raises
    UsageError.
    """
    known = [one.name for one in catalogue.OPERATIONS]
    by_what_they_run = {name: one.name for one in catalogue.OPERATIONS for name in one.gradients}
    by_lower = {name.lower(): name for name in [*by_what_they_run, *known]}
    unknown = [name for name in only if name.lower() not in by_lower]
    if unknown:
        import difflib

        near = difflib.get_close_matches(unknown[0].lower(), by_lower, 3)
        hint = f" Did you mean {', '.join(by_lower[one] for one in near)}?" if near else ""
        raise UsageError(f"No operation {unknown[0]} in the catalogue.{hint}")
    named = [by_lower[name.lower()] for name in only]
    return tuple(
        dict.fromkeys(name if name in known else by_what_they_run[name] for name in named)
    ) or tuple(known)


def run(options: Options, emit: Emit) -> OpsAudit:
    """Replay the operations. Raises UsageError and EnvironmentUnusable; an interruption gives what
    had been found.
    """
    names = chosen(options.only)
    began, clock = datetime.now(timezone.utc).isoformat(timespec="seconds"), time.monotonic()
    before = gpu.snapshot()
    with workspace() as folder:
        audit = _Sweep(options, names, folder, emit, before).run()
    return replace(
        audit,
        began=began,
        seconds=time.monotonic() - clock,
        machine={**machine.describe(), "gpu": gpu.report(before, gpu.snapshot())},
    )


@dataclass
class _Sweep:
    options: Options
    names: tuple[str, ...]
    folder: Workspace
    emit: Emit
    gpus: gpu.Gpus

    @property
    def on_gpu(self) -> bool:
        return self.options.device != "cpu" and gpu.present(self.gpus)

    def run(self) -> OpsAudit:
        options = self.options
        blank = OpsAudit(
            {**asdict(options), "operations": len(self.names)},
            options.device,
            strict=options.strict,
            asked=options.only,
            warnings=environment.warnings(os.environ),
        )
        runner = self._runner(fork=not self.on_gpu)
        conditions = sweep.Conditions.of(
            base.base_condition(options.backend, options.device, options.seed), base.known_pins()
        )
        interrupted, facts = False, {}
        try:
            self.emit(Phase(f"Starting {options.backend} in {options.python}"))
            hello = runner.greet(conditions.default)
            facts = {**hello.facts, "variables": environment.describe(os.environ)}
            runner.fingerprint = hello.fingerprints[0]
            if options.device == "gpu":
                self._ask_for_gpu(runner, conditions.default)
            blank = self._found(runner, conditions, blank)
        except KeyboardInterrupt:
            interrupted = True
        finally:
            runner.close()
        trials = tuple(sorted(runner.finished.values(), key=lambda one: one.number))
        framework = next(
            (
                one.trace.facts.get("framework", {})
                for one in trials
                if one.outcome.completed and one.trace
            ),
            {},
        )
        return replace(
            blank,
            trials=trials,
            environment={**facts, "framework": framework},
            cut=runner.cut,
            interrupted=interrupted,
        )

    def _ask_for_gpu(self, runner: Runner, condition: Condition) -> None:
        """Raise EnvironmentUnusable where the framework has no GPU."""
        asking = Asking(ask_once(Trial(condition, 0)))
        runner.run([asking])
        if asking.done and asking.finding.outcome.kind == UNAVAILABLE:
            raise EnvironmentUnusable(gpu.missing(asking.finding.outcome.reason, self.gpus))

    def _found(self, runner: Runner, conditions: sweep.Conditions, audit: OpsAudit) -> OpsAudit:
        listing = Asking(sweep.refusals(conditions))
        self.emit(Phase("What the library says of its operations"))
        runner.run([listing])
        names = self.names
        if self.options.list_raising:
            named = {name for one in listing.finding or () for name in one.operations}
            names = tuple(
                one.name
                for one in catalogue.OPERATIONS
                if one.name in self.names and {one.name, *one.gradients} & named
            )
        self.emit(
            Told(f"Operations of the catalogue: {len(names)}, each replayed under four conditions")
        )
        self.emit(Phase("Replaying"))
        random = {one.name for one in catalogue.OPERATIONS if one.unseeded is not None}
        replaying = Asking(sweep.sweep(conditions, names, random))
        runner.run([replaying])
        said = listing.finding or ()
        operations = tuple(
            sweep.documented(one, said, self.on_gpu) for one in replaying.finding or ()
        )
        audit = replace(audit, operations=operations, refusals=sweep.matched(said, operations))
        if self.options.price and not self.options.list_raising and operations:
            self.emit(Phase("The price of op determinism, measured alone"))
            pricing = Asking(sweep.costs(conditions, operations))
            runner.limits = replace(runner.limits, jobs=1)
            runner.run([pricing])
            audit = replace(audit, operations=pricing.finding or operations)
        return audit

    def _runner(self, fork: bool) -> Runner:
        options = self.options
        limits = Limits(options.jobs or default_jobs(), options.timeout, options.budget)
        variables = base.controlled_variables()
        nests = base.environment_for_nests(os.environ, variables, str(self.folder.private))
        return Runner(
            Interpreter(options.python, options.backend, fork),
            limits,
            Path(tempfile.mkdtemp(prefix="run-", dir=self.folder.path)),
            {**nests, "KERAS_BACKEND": options.backend},
            emit=self.emit,
        )
