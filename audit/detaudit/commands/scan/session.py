"""A scan: the control first, then every source by experiment, then what can only be measured
alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, TypeVar

from detaudit.commands.scan import plan, verify
from detaudit.commands.scan.experiments.cost import cost
from detaudit.commands.scan.experiments.ladder import costs, refuted, weakest
from detaudit.commands.scan.findings import Audit, Recipe, Rung
from detaudit.commands.scan.plan import Plan
from detaudit.commands.scan.sections import Parts, parts_of
from detaudit.core.events import Decided, Emit, Expected, Phase, ScriptEnded
from detaudit.core.experiment import Asking
from detaudit.core.sentences import number
from detaudit.core.verdict import ERROR, Verdict
from detaudit.execution import interpreter
from detaudit.execution.audit import Session, session
from detaudit.execution.host import Hello, Interpreter
from detaudit.execution.limits import TRIAL_SECONDS, Limits, parse_budget
from detaudit.execution.runner import default_jobs
from detaudit.machine import gpu, system, variables
from detaudit.registry import base, recipes
from detaudit.registry.availability import lacking

_Row = TypeVar("_Row")


@dataclass(frozen=True)
class Options:
    """The user's options, which are in the report, so that an audit can be repeated."""

    python: str
    backend: str | None = None
    device: str = "auto"
    depth: str = plan.DEFAULT
    only: tuple[str, ...] = ()
    skip: tuple[str, ...] = ()
    trials: int | None = None
    seed: int = 1
    jobs: int | None = None
    timeout: float = TRIAL_SECONDS
    budget: str | None = None
    isolate: bool = False
    strict: bool = False
    resume: str | None = None
    probes: tuple[str, ...] = ()


def scan(options: Options, emit: Emit) -> Audit:
    """Audit the machine and the interpreter under test. Raises UsageError and EnvironmentUnusable.

    If interrupted, returns an audit with the findings so far, saved for ``--resume``.
    """
    backend = interpreter.choose(options.backend, interpreter.ask(options.python).facts)
    options = replace(options, backend=backend)
    chosen = plan.choose(backend, options.depth, options.only, options.skip, options.trials)
    with session(emit, options.resume) as work:
        return _Scan(options, backend, chosen, work).audit()


class _Scan:
    """One execution of a scan. ``ladder`` and ``recipe`` are the findings of the parts, updated by
    the proof and the cost.
    """

    def __init__(self, options: Options, backend: str, chosen: Plan, work: Session) -> None:
        self.options, self.backend, self.plan, self.session = options, backend, chosen, work
        self.emit = work.emit
        self.on_gpu = work.on_gpu(options.device)
        self.hello: Hello | None = None
        self.parts: Parts | None = None
        self.ladder: tuple[Rung, ...] = ()
        self.recipe: Recipe | None = None
        self.untried: tuple[str, ...] = ()
        fork = not (options.isolate or self.on_gpu)
        self.runner = work.start_nests(
            Interpreter(options.python, self.backend, fork),
            Limits(options.jobs or default_jobs(), options.timeout, *parse_budget(options.budget)),
        )
        self._choose_base(self.on_gpu)

    def audit(self) -> Audit:
        with self.session.attended():
            self.hello = self.session.greet(self.base, "scan")
            gpus = self._count_gpus() if self.on_gpu else 0
            self._choose_base(gpus > 0)
            self._attribute(self.hello, gpus)
        return self.session.complete(self._found())

    def _choose_base(self, on_gpu: bool) -> None:
        options = self.options
        self.base = base.base_condition(self.backend, options.device, options.seed, on_gpu=on_gpu)

    def _count_gpus(self) -> int:
        """Return how many GPUs can be used. Raises EnvironmentUnusable if one is requested and
        there is none.
        """
        self.emit(Phase("Looking for a GPU"))
        there = self.session.has_gpu(self.base, self.options.device == "gpu")
        return max(1, gpu.count(self.session.gpus)) if there else 0

    def _attribute(self, hello: Hello, gpus: int) -> None:
        """Run the control, and everything else only if the control matches."""
        facts = {**hello.facts, "cpu_flags": system.read().processor.flags}
        self.untried = tuple(
            source.id for source in self.plan.untried if lacking(source, facts, gpus) is None
        )
        self.parts = parts = parts_of(self.plan, self.base, self.session.variables, facts, gpus)
        self.session.forecast(
            f"Trying {number(len(self.plan.sources), 'source')} on tiny models",
            (parts.control, *parts.after_control()),
            self.plan.runs_alone,
            self.plan.seconds_alone,
        )
        self.emit(Phase("Control: runs with everything pinned"))
        self._run([parts.control])
        if not self._decided():
            return
        self.emit(Phase("Testing every source"))
        self._run(parts.after_control())
        self.ladder = _found_by(parts.ladder)
        if self.ladder:
            self._measure_alone()

    def _run(self, parts: Sequence[Asking]) -> None:
        def settled(index: int, finding: Any) -> None:
            if isinstance(finding, Verdict):
                self.emit(Decided(finding.source, finding.verdict, finding.reason))

        self.runner.run(parts, settled)

    def _measure_alone(self) -> None:
        """Run the recipe's proof and measure its cost, with nothing of ours running beside them."""
        if self.runner.ended_early:
            return
        done = len(self.runner.finished)
        self.emit(Expected(done + self.plan.runs_alone, self.plan.seconds_alone))
        rung = self._proven()
        if rung is None or rung.id == "none":
            return
        self.emit(Phase(f"Timing the recipe, with nothing else running: {rung.title}"))
        known = base.known_pins(self.backend)
        by_id = {rung.id: rung for rung in recipes.rungs(known)}
        model = self.plan.ladder_models[-1] if self.plan.depth == plan.QUICK else "cnn"
        none, recipe = (
            recipes.condition(by_id[name], self.base, known, model) for name in ("none", rung.id)
        )
        ratios = self.session.ask(cost(none, recipe)) or ()
        self.ladder = tuple(
            costs(other, ratios) if other is rung else other for other in self.ladder
        )

    def _proven(self) -> Rung | None:
        """Return the weakest recipe whose own lines gave no differing pair.

        One differing pair is final for a recipe: then the next one is tried. None if the budget is
        spent before that.
        """
        proof = None
        while (rung := weakest(self.ladder)) is not None:
            if self.runner.over_budget():
                self.runner.ended_early = True
                return None
            self.emit(Phase(f"Running the printed lines as a script: {rung.title}"))
            proof = verify.verify(
                rung,
                self.backend,
                self.plan.models,
                self.options.python,
                self._plain_environment(),
                self.session.folder.path / "recipe",
                self.options.timeout,
                self.plan.proof_pairs,
                lambda: self.emit(ScriptEnded()),
            )
            if proof.verified is not False:
                break
            self.ladder = refuted(self.ladder, proof)
        self.recipe = proof
        return rung

    def _plain_environment(self) -> dict[str, str]:
        """Return the environment for the script that verifies a recipe: that of every nest, without
        a condition's variables.

        The ladder hides a GPU from the framework in the child; a plain script must not find one
        either.
        """
        hidden = {"CUDA_VISIBLE_DEVICES": "-1"} if self.options.device == "cpu" else {}
        return {**self.runner.base, **hidden}

    def _found(self) -> Audit:
        """Return the findings of the completed parts."""
        parts, options = self.parts, self.options
        blank = Audit(
            options=self._replayable(),
            machine={},
            environment={
                **(self.hello.facts if self.hello is not None else {}),
                "framework": self.session.framework(),
                "variables": variables.describe(self.session.variables),
            },
            control=None,
            recipe=self.recipe,
            warnings=variables.warnings(self.session.variables),
            requested=self.plan.requested,
            untried_sources=self.untried,
            strict=options.strict,
        )
        if parts is None:
            return blank
        return replace(
            blank,
            control=parts.control.finding,
            verdicts=tuple(self._verdicts(parts)) if self._decided() else (),
            matrix=_found_by(parts.matrix),
            ladder=self.ladder or _found_by(parts.ladder),
            placebos=tuple(
                placebo.finding for placebo in parts.placebos if placebo.finding is not None
            ),
            reach=_found_by(parts.reach),
        )

    def _decided(self) -> bool:
        """Whether the control allowed the sources to be tried."""
        control = self.parts.control.finding if self.parts is not None else None
        return control is not None and not control.differing

    def _verdicts(self, parts: Parts) -> Iterator[Verdict]:
        reason = "the scan was interrupted"
        if self.session.failure is not None:
            reason = f"the scan ended early: {self.session.failure.reason}"
        elif self.runner.ended_early:
            reason = "the budget ran out before it was decided"
        for source in self.plan.sources:
            yield parts.sources[source.id].finding or Verdict(source.id, ERROR, reason)

    def _replayable(self) -> dict[str, Any]:
        return {
            **asdict(self.options),
            "jobs": self.runner.limits.jobs,
            "isolate": not self.runner.interpreter.fork,
            "trials": self.plan.pairs,
        }


def _found_by(asking: Asking[tuple[_Row, ...]] | None) -> tuple[_Row, ...]:
    """Return the finding of a part of the scan; None if it was not requested, or not completed."""
    return asking.finding or () if asking is not None else ()
