"""From what was found to the document: every sentence shortened and cleaned on its way in."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from detaudit_probes.declare import Pin, Source

from detaudit import __version__, base, diff, findings, recipes
from detaudit.conclusion import conclude
from detaudit.condition import Condition
from detaudit.core.experiment import Finished
from detaudit.core.pinpoint import Guilty, Pinpoint, Replays
from detaudit.core.tally import Tally
from detaudit.report import v1
from detaudit.report.privacy import Private
from detaudit.verdict import Count, Verdict


def document(
    audit: findings.Audit,
    declared: Mapping[str, Source] | None = None,
    private: Private | None = None,
) -> v1.Report:
    """The document of an audit. ``declared`` are the sources that it knew, ours where none are
    given.
    """
    known = base.known_sources() if declared is None else declared
    hide = private or Private.of_here(base.declared_variables(known.values()))
    return _Builder(audit, known, hide).report()


class Shared:
    """What is built alike for every report: names and sentences cleaned, divergences, conditions,
    trials.
    """

    def __init__(
        self,
        declared: Mapping[str, Source],
        private: Private,
        trials: Sequence[Finished],
        options: Mapping[str, Any],
    ) -> None:
        self.declared, self.private, self.options = declared, private, options
        self.pins = {pin.id: pin for source in declared.values() for pin in source.pins}
        self.finished = trials
        self.conditions = list(dict.fromkeys(done.trial.condition for done in trials))
        self._place = {condition: index for index, condition in enumerate(self.conditions)}
        self.text, self.name = private.text, private.name

    def maybe(self, value: str | None) -> str | None:
        return None if value is None else self.text(value)

    def names(self, values: Iterable[str]) -> tuple[str, ...]:
        return tuple(self.name(one) for one in values)

    def header(self, began: str, seconds: float) -> v1.Header:
        outcomes = [done.outcome for done in self.finished]
        return v1.Header(
            began=self.name(began),
            seconds=round(seconds, 3),
            trial_seconds=round(sum((one.seconds for one in outcomes), 0.0), 3),
            peak_memory=max((one.max_rss for one in outcomes), default=0),
        )

    def fingerprint(self) -> str | None:
        traces = [done.trace for done in self.finished if done.trace is not None]
        return self.name(traces[0].document["fingerprint"]) if traces else None

    def divergence(self, found: diff.Divergence | None) -> v1.Divergence | None:
        if found is None:
            return None
        far = found.distance
        ulps = None if far is None or far.ulps_max is None else min(far.ulps_max, v1.LARGEST)
        gap = (
            None
            if far is None or far.max_abs is None or not math.isfinite(far.max_abs)
            else far.max_abs
        )
        return v1.Divergence(
            stage=found.stage,
            step=found.step,
            name=self.name(found.name),
            kind=found.kind,
            ulps_max=ulps,
            elements=far and far.elements,
            of=far and far.of,
            first=far and far.first,
            max_abs=gap,
        )

    def fix(self, pin: Pin | None) -> v1.Fix | None:
        if pin is None:
            return None
        seed, backend = self.options.get("seed", 1), self.options.get("backend", "tensorflow")
        lines = tuple(line.format(seed=seed) for line in recipes.pin_lines(pin, backend))
        variables = {name: value.format(seed=seed) for name, value in pin.environment.items()}
        return v1.Fix(lines=lines, environment=variables, note=self.text(pin.note))

    def condition(self, one: Condition) -> v1.Condition:
        return v1.Condition(
            backend=one.backend,
            device=one.device,
            model=self.name(one.model),
            seed=one.seed,
            pins=self.names(one.pins),
            loose=self.names(one.loose),
            options=self.private.facts(one.options),
            environment={name: self.maybe(value) for name, value in one.environment},
            feed=one.feed,
            procedure=one.procedure,
        )

    def trial(self, one: Finished) -> v1.Trial:
        trace = one.trace
        return v1.Trial(
            number=one.number,
            condition=self._place[one.trial.condition],
            draw=one.trial.draw,
            outcome=one.outcome.kind,
            reason=self.text(one.outcome.reason),
            steps=trace.steps() if trace else 0,
            observations=trace.observations() if trace else 0,
            digests={self.name(name): self.name(value) for name, value in trace.digests.items()}
            if trace
            else {},
        )

    @staticmethod
    def replays(one: Replays | None) -> v1.Replays | None:
        return None if one is None else v1.Replays(replays=one.replays, distinct=one.distinct)

    def guilty(self, one: Guilty | None) -> v1.Guilty | None:
        if one is None:
            return None
        return v1.Guilty(
            operation=self.name(one.operation),
            inputs=self.names(one.inputs),
            outputs=self.names(one.outputs),
            device=self.name(one.device),
            attributes=self.private.facts(one.attributes),
            replays=v1.Replays(replays=one.replays.replays, distinct=one.replays.distinct),
        )

    def pinpoint(self, one: Pinpoint | None) -> v1.Pinpoint | None:
        if one is None:
            return None
        return v1.Pinpoint(
            kind=one.kind,
            operations=one.operations,
            born=one.born,
            guilty=self.guilty(one.guilty),
            stage=self.name(one.stage),
            layer=self.name(one.layer),
            line=self.name(one.line),
            watched=self.replays(one.watched),
            eager=self.replays(one.eager),
            compiled=self.replays(one.compiled),
            same_watched=one.same_watched,
            same_eager=one.same_eager,
            failed=self.text(one.failed),
            same_step=one.same_step,
            passages=tuple(
                v1.Passage(
                    stage=self.name(each.stage),
                    layer=self.name(each.layer),
                    inputs=each.inputs,
                    outputs=each.outputs,
                    operations=each.operations,
                )
                for each in one.passages
            ),
        )

    @staticmethod
    def finite(value: float | None) -> float | None:
        return value if value is not None and math.isfinite(value) else None


class _Builder(Shared):
    """The document of a scan while it is being made."""

    def __init__(
        self, audit: findings.Audit, declared: Mapping[str, Source], private: Private
    ) -> None:
        super().__init__(declared, private, audit.trials, audit.options)
        self.audit = audit

    def report(self) -> v1.Report:
        audit, concluded = self.audit, conclude(self.audit)
        return v1.Report(
            format=v1.FORMAT,
            version=v1.VERSION,
            tool=v1.Tool(name="detaudit", version=__version__),
            options=self.private.facts(audit.options),
            asked=self.names(audit.asked),
            strict=audit.strict,
            header=self.header(audit.began, audit.seconds),
            machine=self.private.facts(audit.machine),
            environment=self.private.facts(audit.environment),
            fingerprint=self.fingerprint(),
            outcome=concluded.outcome,
            exit_code=concluded.exit_code,
            reason=self.text(concluded.reason),
            control=self.control(),
            verdicts=tuple(self.verdict(one) for one in audit.verdicts),
            matrix=tuple(self.cell(one) for one in audit.matrix),
            ladder=tuple(self.rung(one) for one in audit.ladder),
            recipe=self.recipe(),
            placebos=tuple(self.placebo(one) for one in audit.placebos),
            reach=tuple(self.level(one) for one in audit.reach),
            conditions=tuple(self.condition(one) for one in self.conditions),
            trials=tuple(self.trial(one) for one in audit.trials),
            warnings=tuple(self.text(one) for one in audit.warnings),
            cut=audit.cut,
            interrupted=audit.interrupted,
            resume=self.maybe(audit.resume),
            untried=self.names(audit.untried),
            notes=self.private.facts(audit.notes),
        )

    def control(self) -> v1.Control | None:
        found = self.audit.control
        if found is None:
            return None
        holds = False if found.parted else True if found.holds else None
        return v1.Control(holds=holds, models=tuple(self.controlled(one) for one in found.tallies))

    def controlled(self, one: Tally) -> v1.Controlled:
        return v1.Controlled(
            model=self.name(one.condition.model),
            agreed=one.agreed,
            parted=one.parted,
            problems=tuple(self.text(reason) for reason in one.problems[:20]),
            unavailable=self.maybe(one.unavailable),
            divergence=self.divergence(one.divergence),
            **_rests_on(one.trials),
        )

    def verdict(self, one: Verdict) -> v1.Verdict:
        source = self.declared.get(one.source)
        return v1.Verdict(
            source=self.name(one.source),
            family=source.family if source else "other",
            title=self.text(source.title if source else one.source),
            verdict=one.verdict,
            reason=self.text(one.reason),
            pin=one.pin,
            other_pins=one.other_pins,
            fix=self.fix(self.pins.get(one.pin or "")),
            divergence=self.divergence(one.divergence),
            pinpoint=self.pinpoint(one.pinpoint),
            settings=tuple(
                v1.Settings(
                    model=self.name(model), groups=tuple(self.names(group) for group in groups)
                )
                for model, groups in one.settings
            ),
            counts=self.counts(one.counts),
            excluded=one.excluded,
            **_rests_on(one.trials),
        )

    def counts(self, found: Iterable[Count]) -> tuple[v1.Count, ...]:
        return tuple(
            v1.Count(
                name=self.name(one.name),
                model=self.name(one.model),
                agreed=one.agreed,
                parted=one.parted,
            )
            for one in found
        )

    def cell(self, one: findings.Cell) -> v1.Cell:
        return v1.Cell(
            component=self.name(one.component),
            generator=self.name(one.generator),
            decides=one.decides,
            reason=self.text(one.reason),
            **_rests_on(one.trials),
        )

    def rung(self, one: findings.Rung) -> v1.Rung:
        return v1.Rung(
            id=one.id,
            title=one.title,
            lines=one.lines,
            environment=dict(one.environment),
            holds=one.holds,
            counts=self.counts(one.counts),
            reason=self.text(one.reason),
            cost=self.finite(one.cost),
            cost_range=one.cost_range,
            changes=tuple(self.text(change) for change in one.changes),
            **_rests_on(one.trials),
        )

    def recipe(self) -> v1.Recipe | None:
        found = self.audit.recipe
        if found is None:
            return None
        title = _whole_titles(self.audit.ladder).get(found.rung, found.rung)
        pins = next((rung.pins for rung in recipes.RUNGS if rung.id == found.rung), ())
        holds = {source for name in pins if name in self.pins for source in self.pins[name].holds}
        # And what one of them was seen to hold: a place where randomness is used draws from what it
        # pins.
        holds |= {
            one.source for one in self.audit.verdicts if {one.pin, *one.other_pins} & set(pins)
        }
        return v1.Recipe(
            rung=found.rung,
            title=title,
            lines=found.lines,
            environment=dict(found.environment),
            holds=tuple(sorted(holds)),
            verified=found.verified,
            runs=found.runs,
            reason=self.text(found.reason),
            counts=self.counts(found.counts),
            excluded=found.excluded,
        )

    def placebo(self, one: findings.Placebo) -> v1.Placebo:
        return v1.Placebo(
            id=one.id,
            title=self.text(one.title),
            real=self.text(one.real),
            reason=self.text(one.reason),
            does_nothing=one.does_nothing,
            yours=one.yours,
            **_rests_on(one.trials),
        )

    def level(self, one: findings.Level) -> v1.Level:
        return v1.Level(
            id=one.id,
            title=self.text(one.title),
            agrees=one.agrees,
            reason=self.text(one.reason),
            divergence=self.divergence(one.divergence),
            **_rests_on(one.trials),
        )


def _whole_titles(rungs: Iterable[findings.Rung]) -> dict[str, str]:
    """Each rung's title by itself: one that begins with ``+`` adds to the rung below it."""
    titles: dict[str, str] = {}
    below = ""
    for rung in rungs:
        below = f"{below} {rung.title}" if rung.title.startswith("+") and below else rung.title
        titles[rung.id] = below
    return titles


def _rests_on(trials: tuple[int, ...]) -> dict:
    return {"trials": len(trials), "trial_numbers": trials}
