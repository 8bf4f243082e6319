"""From what ``detaudit run`` found to its document."""

from detaudit import __version__, base, environment
from detaudit.core.counting import excluded_rate
from detaudit.report import v1
from detaudit.report.build import Shared
from detaudit.report.privacy import Private
from detaudit.script import findings
from detaudit.script.conclusion import conclude

LONGEST_DIFF = 200_000
LONGEST_TRACEBACK = 4000


def document(audit: findings.RunAudit, private: Private | None = None) -> v1.RunReport:
    """The document of an audit of a user's script."""
    return _Builder(audit, private or Private.of_here()).report()


class _Builder(Shared):
    def __init__(self, audit: findings.RunAudit, private: Private) -> None:
        super().__init__(base.script_sources(), private, audit.trials, audit.options)
        self.audit = audit

    def report(self) -> v1.RunReport:
        audit, concluded = self.audit, conclude(self.audit)
        return v1.RunReport(
            format=v1.FORMAT,
            version=v1.VERSION,
            tool=v1.Tool(name="detaudit", version=__version__),
            options=self.private.facts(audit.options),
            strict=audit.strict,
            header=self.header(audit.began, audit.seconds),
            machine=self.private.facts(audit.machine),
            environment=self.private.facts(audit.environment),
            fingerprint=self.fingerprint(),
            outcome=concluded.outcome,
            exit_code=concluded.exit_code,
            reason=self.text(concluded.reason),
            verdicts=tuple(self.verdict_of(one) for one in audit.causes),
            conditions=tuple(self.condition(one) for one in self.conditions),
            trials=tuple(self.trial(one) for one in audit.trials),
            warnings=tuple(self.text(one) for one in audit.notes),
            cut=audit.cut,
            interrupted=audit.interrupted,
            notes={},
            program=self.name(audit.program),
            reproducible=audit.reproducible,
            repeats=self.repeats(audit.repeats),
            bare=self.maybe_repeats(audit.bare),
            pinned=self.maybe_repeats(audit.pinned),
            first_divergence=self.divergence(audit.repeats.divergence),
            quantity=self.quantity(audit.quantity),
            origin=self.text(audit.origin),
            growth=tuple(self.growth(one) for one in audit.growth),
            pinpoint=self.pinpoint(audit.pinpoint),
            causes=tuple(self.cause(one) for one in audit.causes),
            fix=self.change(audit.fix),
            no_fix=self.text(audit.no_fix),
            price=self.price(audit.price),
            no_price=self.text(audit.no_price),
            search=self.search(audit.search),
            rests_on=tuple(self.varied(one) for one in audit.rests_on),
            outputs=tuple(
                v1.Output(kind=one.kind, name=self.name(one.name), agrees=one.agrees, line=one.line)
                for one in audit.outputs[:1000]
            ),
            observer=v1.Observer(
                holds=audit.observer.holds, reason=self.text(audit.observer.reason)
            ),
            open=self.names(audit.open),
            changed=self.names(audit.changed),
            isolation=self.isolation(audit.isolation),
            traceback=self.text(_without_secrets(audit.traceback[-LONGEST_TRACEBACK:])),
            steps=audit.steps,
        )

    def isolation(self, isolation: findings.Isolation) -> v1.Isolation:
        return v1.Isolation(
            kind=isolation.kind,
            reason=self.text(isolation.reason),
            left_out=self.names(isolation.left_out),
            elsewhere=self.names(isolation.elsewhere),
            not_restored=self.names(isolation.not_restored),
        )

    def repeats(self, one: findings.Repeats) -> v1.Repeats:
        held = one.agreed > 0 and not one.parted
        return v1.Repeats(
            runs=one.runs,
            agreed=one.agreed,
            parted=one.parted,
            excluded=excluded_rate(one.agreed) if held else None,
        )

    def maybe_repeats(self, one: findings.Repeats | None) -> v1.Repeats | None:
        return None if one is None else self.repeats(one)

    def quantity(self, one: findings.Quantity | None) -> v1.Quantity | None:
        if one is None:
            return None
        return v1.Quantity(name=self.name(one.name), first=one.first, second=one.second)

    def growth(self, one: findings.Growth) -> v1.Growth:
        ulps = None if one.ulps_max is None else min(one.ulps_max, v1.LARGEST)
        return v1.Growth(
            step=one.step,
            elements=one.elements,
            of=one.of,
            ulps_max=ulps,
            max_abs=self.finite(one.max_abs),
        )

    def cause(self, one: findings.Cause) -> v1.Cause:
        source = self.declared[one.source]
        return v1.Cause(
            source=one.source,
            title=source.title,
            pin=one.pin,
            necessary=one.necessary,
            advice=source.advice,
            note=self.text(one.note),
            sites=tuple(
                v1.Site(
                    file=self.name(site.file),
                    line=site.line,
                    function=self.name(site.function),
                    draws=site.draws,
                    in_user_code=site.in_user_code,
                    stack=tuple(self.text(line) for line in site.stack),
                )
                for site in one.sites
            ),
        )

    def verdict_of(self, one: findings.Cause) -> v1.Verdict:
        source = self.declared[one.source]
        held = [done.number for done in self.audit.trials if one.pin in done.trial.condition.pins]
        return v1.Verdict(
            source=one.source,
            family=source.family,
            title=source.title,
            verdict="needs-pin",
            reason="runs of the script agree with its pin and the other causes' held, and part without it"
            if one.necessary
            else "runs of the script agree with its pin held",
            trials=len(held),
            trial_numbers=tuple(held),
            pin=one.pin,
            other_pins=(),
            fix=self.fix(self.pins.get(one.pin)),
            divergence=self.divergence(self.audit.repeats.divergence),
            pinpoint=None,
            settings=(),
            counts=(),
            excluded=None,
        )

    def change(self, one: findings.Fix | None) -> v1.Change | None:
        if one is None:
            return None
        return v1.Change(
            diff=_without_secrets(one.diff)[:LONGEST_DIFF],
            environment=dict(one.environment),
            verified=one.verified,
            trials=one.runs,
            reason=self.text(one.reason),
            cost=self.finite(one.cost),
            cost_range=one.cost_range,
            excluded=one.excluded,
        )

    def cost(self, one: findings.Cost) -> v1.Cost:
        return v1.Cost(
            pins=self.names(one.pins),
            base=self.names(one.base),
            cost=self.finite(one.cost),
            cost_range=one.cost_range,
        )

    def price(self, one: findings.Price | None) -> v1.Price | None:
        if one is None:
            return None
        added = [pin for pin in one.fastest if pin not in one.found.pins]
        return v1.Price(
            rounds=one.rounds,
            noise=self.cost(one.noise),
            alone=tuple(self.cost(cost) for cost in one.alone),
            found=self.cost(one.found),
            faster=None if one.faster is None else self.cost(one.faster),
            fixes={pin: fix for pin in added if (fix := self.fix(self.pins.get(pin))) is not None},
            tried=tuple(self.text(line) for line in one.tried),
        )

    def search(self, one: findings.Search) -> v1.Search:
        return v1.Search(
            trials=one.trials,
            seconds=one.seconds,
            invalid=self.names(one.invalid),
            untouched=self.names(one.untouched),
            tried=tuple(self.text(line) for line in one.tried[:1000]),
        )

    def varied(self, one: findings.Varied) -> v1.Varied:
        return v1.Varied(
            source=one.source,
            title=self.text(one.title),
            agrees=one.agrees,
            reason=self.text(one.reason),
            divergence=self.divergence(one.divergence),
        )


def _without_secrets(text: str) -> str:
    """``text`` without the lines that look as if a key or a password stood in them: a report may be
    made public.
    """
    return "".join(
        line
        if not environment.looks_secret(line)
        else f"{line[:1].strip() or ' '}{environment.LEFT_OUT}\n"
        for line in text.splitlines(keepends=True)
    )
