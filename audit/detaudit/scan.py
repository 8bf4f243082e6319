"""A scan: control first, then every source by experiment, then what can only be measured alone."""

import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from detaudit import (
    __version__,
    base,
    environment,
    gpu,
    machine,
    plan,
    recipes,
    saved,
    under_test,
    verify,
)
from detaudit.condition import Condition, Trial
from detaudit.core.experiment import Asking, ask_once
from detaudit.errors import EnvironmentUnusable, UsageError
from detaudit.events import Decided, Emit, Expected, Phase
from detaudit.execution.host import Hello, Interpreter
from detaudit.experiments.control import control
from detaudit.experiments.cost import cost
from detaudit.experiments.ladder import costs, refuted, weakest
from detaudit.findings import Audit, Control, Recipe, Rung
from detaudit.outcome import UNAVAILABLE
from detaudit.plan import Plan
from detaudit.runner import Limits, Runner, default_jobs
from detaudit.sections import experiments_of, lacking
from detaudit.verdict import ERROR, Verdict
from detaudit.workspace import Workspace, workspace


@dataclass(frozen=True)
class Options:
    """What the user asked for; it stands in the report, so that an audit can be replayed."""

    python: str
    backend: str = "tensorflow"
    device: str = "auto"
    depth: str = plan.DEFAULT
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    trials: int | None = None
    seed: int = 1
    jobs: int | None = None
    timeout: float = 300.0
    budget: float | None = None
    isolate: bool = False
    strict: bool = False
    resume: str | None = None
    probes: tuple[str, ...] = ()


def scan(options: Options, emit: Emit) -> Audit:
    """Audit the machine and the interpreter under test.

    Raises UsageError and EnvironmentUnusable. An interruption gives an audit of what had been
    found, saved for ``--resume``.
    """
    if options.backend == "tensorflow":
        options = replace(
            options,
            backend=under_test.adapter(options.backend, under_test.ask(options.python).facts),
        )
    chosen = plan.choose(options.backend, options.depth, options.only, options.skip, options.trials)
    began, clock = datetime.now(timezone.utc).isoformat(timespec="seconds"), time.monotonic()
    resumed = Path(options.resume) if options.resume else None
    known = saved.load(resumed) if resumed else None
    before = gpu.snapshot()
    with workspace(resumed.parent if resumed else None) as folder:
        work = _Scan(options, chosen, folder, emit, os.environ, before)
        audit = work.run(known)
    return replace(
        audit,
        began=began,
        seconds=time.monotonic() - clock,
        machine={**machine.describe(), "gpu": gpu.report(before, gpu.snapshot())},
    )


@dataclass
class _Scan:
    """One scan while it is being done. ``found`` holds what each part of it found, by the part's
    name.
    """

    options: Options
    plan: Plan
    folder: Workspace
    emit: Emit
    inherited: Mapping[str, str]
    gpus: gpu.Gpus
    found: dict[str, Any] = field(default_factory=dict)
    hello: Hello = field(default_factory=lambda: Hello({}, ()))
    cut: bool = False
    untried: tuple[str, ...] = ()

    def run(self, known: tuple[dict, dict] | None) -> Audit:
        wanted = self.options.device == "gpu"
        on_gpu = wanted or (self.options.device == "auto" and gpu.present(self.gpus))
        self.base = self._base(on_gpu)
        self.runner = self._runner(fork=not (self.options.isolate or on_gpu))
        resume = None
        try:
            self._greet(known)
            gpus = self._count_gpus(wanted) if on_gpu else 0
            self.base = self._base(on_gpu=gpus > 0)
            self._attribute(gpus)
            self.folder.kept = False
        except KeyboardInterrupt:
            self.runner.close()
            self.folder.kept = True
            resume = str(saved.save(self.folder.path, self._identity(), self.runner.finished))
        finally:
            self.runner.close()
        return self._audit(resume)

    def _base(self, on_gpu: bool) -> Condition:
        options = self.options
        return base.base_condition(options.backend, options.device, options.seed, on_gpu=on_gpu)

    def _count_gpus(self, wanted: bool) -> int:
        """How many GPUs can be used: one trial asks, for a driver may have cards that this build
        cannot use.

        Raises EnvironmentUnusable where there is none, and one is ``wanted``.
        """
        self.emit(Phase("Is there a GPU to train on?"))
        asking = Asking(ask_once(Trial(replace(self.base, device="gpu"), 0)))
        self.runner.run([asking])
        if asking.done and asking.finding.outcome.kind == UNAVAILABLE:
            if wanted:
                raise EnvironmentUnusable(gpu.missing(asking.finding.outcome.reason, self.gpus))
            return 0
        return max(1, gpu.count(self.gpus))

    def _runner(self, fork: bool) -> Runner:
        limits = Limits(
            self.options.jobs or default_jobs(), self.options.timeout, self.options.budget
        )
        interpreter = Interpreter(
            self.options.python, self.options.backend, fork, self.options.probes
        )
        variables = base.controlled_variables()
        nests = base.environment_for_nests(self.inherited, variables, str(self.folder.private))
        return Runner(
            interpreter,
            limits,
            Path(tempfile.mkdtemp(prefix="run-", dir=self.folder.path)),
            {**nests, "KERAS_BACKEND": base.keras_backend(self.options.backend)},
            emit=self.emit,
        )

    def _greet(self, known: tuple[dict, dict] | None) -> None:
        """Start the interpreter under test, and take up a saved audit where it is still the
        same.
        """
        self.emit(Phase(f"Starting {self.options.backend} in {self.options.python}"))
        self.hello = self.runner.greet(self.base)
        self.runner.fingerprint = self.hello.fingerprints[0]
        if known is not None:
            changed = saved.changed(known[0], self._identity())
            if changed:
                raise UsageError(
                    f"Cannot go on with the saved audit: {', '.join(changed)} changed since. Scan again "
                    f"without --resume."
                )
            self.runner.finished.update(known[1])
            self.runner.renumber()

    def _identity(self) -> dict[str, Any]:
        """What must be the same for saved trials to speak for this machine and this environment."""
        return {
            "interpreter": self.options.python,
            "environment": self.hello.facts,
            "fingerprint": self.runner.fingerprint,
            "machine": machine.identity(),
            "seed": self.options.seed,
            "isolate": not self.runner.interpreter.fork,
            "detaudit": __version__,
            "variables": environment.describe(self.inherited),
        }

    def _attribute(self, gpus: int) -> None:
        """Control, and only where it holds everything else."""
        first = {"control": Asking(control(self.base, self.plan.models, self.plan.pairs))}
        facts = {**self.hello.facts, "cpu_flags": machine.read().processor.flags}
        self.untried = tuple(
            source.id for source in self.plan.untried if lacking(source, facts, gpus) is None
        )
        parts = experiments_of(self.plan, self.base, self.inherited, facts, gpus)
        rest = {name: Asking(one) for name, one in parts.items()}
        self._expect({**first, **rest})
        self.emit(Phase("Control: everything pinned against everything pinned"))
        self._run(first)
        held: Control | None = self.found.get("control")
        if held is None or held.parted:
            return
        self.emit(Phase("Every source by experiment"))
        self._run(rest)
        if self.plan.ladder and "ladder" in self.found:
            self._measure_alone(self.found["ladder"])

    def _expect(self, experiments: Mapping[str, Asking]) -> None:
        """Tell how much work is known at the start, from what every experiment asks for first."""
        wanted = {trial.key(): trial for one in experiments.values() for trial in one.wanted}
        environments = {(trial.variables, trial.side) for trial in wanted.values()}
        runner = self.runner
        seconds = plan.expected_seconds(
            environments,
            len(wanted),
            runner.limits.jobs,
            runner.interpreter.fork,
            self.plan.proof_pairs,
        )
        self.emit(Expected(len(wanted), len(environments), seconds))

    def _run(self, experiments: Mapping[str, Asking]) -> None:
        names = list(experiments)

        def settled(index: int, finding: Any) -> None:
            self.found[names[index]] = finding
            if isinstance(finding, Verdict):
                self.emit(Decided(finding.source, finding.verdict, finding.reason))

        self.runner.run([experiments[name] for name in names], settled)
        self.cut = self.cut or self.runner.cut

    def _measure_alone(self, rungs: tuple[Rung, ...]) -> None:
        """The recipe's proof and its price: with nothing of ours running beside them."""
        if self.cut:
            return
        rung = self._proven(rungs)
        if rung is None or rung.id == "none":
            return
        self.emit(Phase(f"The price of the recipe, measured alone: {rung.title}"))
        known = base.known_pins(self.options.backend)
        by_id = {one.id: one for one in recipes.rungs(known)}
        model = self.plan.ladder_models[-1] if self.plan.depth == plan.QUICK else "cnn"
        none, recipe = (
            recipes.condition(by_id[name], self.base, known, model) for name in ("none", rung.id)
        )
        asking = Asking(cost(none, recipe))
        self.runner.run([asking])
        self.found["ladder"] = tuple(
            costs(one, asking.finding or ()) if one is rung else one for one in self.found["ladder"]
        )

    def _proven(self, rungs: tuple[Rung, ...]) -> Rung | None:
        """The weakest recipe whose own lines were not seen to differ. One pair that differs is
        final for a recipe: then the next one is tried. None where the budget is spent before
        that.
        """
        proof = None
        while (rung := weakest(rungs)) is not None:
            if self.runner.over_budget():
                self.cut = True
                return None
            self.emit(Phase(f"The printed lines, in a script of their own: {rung.title}"))
            proof = verify.verify(
                rung,
                self.options.backend,
                self.plan.models,
                self.options.python,
                self._plain_environment(),
                self.folder.path / "recipe",
                self.options.timeout,
                self.plan.proof_pairs,
            )
            if proof.verified is not False:
                break
            self.found["ladder"] = rungs = refuted(rungs, proof)
        self.found["recipe"] = proof
        return rung

    def _plain_environment(self) -> dict[str, str]:
        """For the script that verifies a recipe: as every nest, without a condition's variables.

        The ladder hides a GPU from the framework in the child; a plain script is not to meet one
        either.
        """
        hidden = {"CUDA_VISIBLE_DEVICES": "-1"} if self.options.device == "cpu" else {}
        return {**self.runner.base, **hidden}

    def _audit(self, resume: str | None) -> Audit:
        verdicts = tuple(
            self.found.get(f"source:{one.id}") or self._missing(one.id)
            for one in self.plan.sources
            if self._decided() or f"source:{one.id}" in self.found
        )
        rungs: tuple[Rung, ...] = self.found.get("ladder", ())
        recipe: Recipe | None = self.found.get("recipe")
        placebos = tuple(
            finding for name, finding in self.found.items() if name.startswith("placebo:")
        )
        return Audit(
            options=_replayable(
                self.options, self.runner.limits.jobs, self.runner.interpreter.fork, self.plan.pairs
            ),
            machine={},
            environment={
                **self.hello.facts,
                **self._framework_facts(),
                "variables": environment.describe(self.inherited),
            },
            control=self.found.get("control"),
            verdicts=verdicts,
            matrix=self.found.get("matrix") or (),
            ladder=rungs,
            recipe=recipe,
            placebos=placebos,
            reach=self.found.get("reach") or (),
            trials=tuple(sorted(self.runner.finished.values(), key=lambda one: one.number)),
            warnings=environment.warnings(self.inherited),
            asked=self.plan.asked,
            untried=self.untried,
            strict=self.options.strict,
            cut=self.cut,
            interrupted=resume is not None,
            resume=resume,
        )

    def _decided(self) -> bool:
        """Whether the control allowed the sources to be tried."""
        held: Control | None = self.found.get("control")
        return held is not None and not held.parted

    def _missing(self, source: str) -> Verdict:
        reason = (
            "the budget ran out before it was decided" if self.cut else "the scan was interrupted"
        )
        return Verdict(source, ERROR, reason)

    def _framework_facts(self) -> dict[str, Any]:
        for one in self.runner.finished.values():
            if one.outcome.completed and one.trace:
                return {"framework": one.trace.facts.get("framework", {})}
        return {}


def _replayable(options: Options, jobs: int, fork: bool, pairs: int) -> dict[str, Any]:
    return {**asdict(options), "jobs": jobs, "isolate": not fork, "trials": pairs}
