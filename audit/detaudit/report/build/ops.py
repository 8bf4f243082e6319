"""From what ``detaudit ops`` found to its document."""

from detaudit import __version__, base
from detaudit.ops import findings
from detaudit.ops.conclusion import conclude
from detaudit.report.build.scan import Shared
from detaudit.report.privacy import Private
from detaudit.report.schema import v1


def document(audit: findings.OpsAudit, private: Private | None = None) -> v1.OpsReport:
    """The document of a sweep over operations."""
    known = base.known_sources()
    return _Builder(
        audit, private or Private.of_here(base.declared_variables(known.values()))
    ).report()


class _Builder(Shared):
    def __init__(self, audit: findings.OpsAudit, private: Private) -> None:
        super().__init__(base.known_sources(), private, audit.trials, audit.options)
        self.audit = audit

    def report(self) -> v1.OpsReport:
        audit, concluded = self.audit, conclude(self.audit)
        return v1.OpsReport(
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
            verdicts=(),
            conditions=tuple(self.condition(one) for one in self.conditions),
            trials=tuple(self.trial(one) for one in audit.trials),
            warnings=tuple(self.text(one) for one in audit.warnings),
            cut=audit.cut,
            interrupted=audit.interrupted,
            notes={},
            asked=self.names(audit.asked),
            operations=tuple(self.operation(one) for one in audit.operations),
            refusals=tuple(
                v1.Refusal(
                    message=self.text(one.message),
                    operations=self.names(one.operations),
                    seen=self.names(one.seen),
                    ran=self.names(one.ran),
                )
                for one in audit.refusals
            ),
        )

    def operation(self, one: findings.Operation) -> v1.Operation:
        return v1.Operation(
            name=self.name(one.name),
            dtype=one.dtype,
            verdict=one.verdict,
            reason=self.text(one.reason),
            default=self.replays(one.default),
            deterministic=self.replays(one.deterministic),
            one_thread=self.replays(one.one_thread),
            confirmed=self.replays(one.confirmed),
            refused=self.text(one.refused),
            threads_agree=one.threads_agree,
            onednn_agrees=one.onednn_agrees,
            batch_agrees=one.batch_agrees,
            cost=self.finite(one.cost),
            cost_range=one.cost_range,
            executed=self.names(one.executed),
            guilty=self.guilty(one.guilty),
            divergence=self.divergence(one.divergence),
            said=self.text(one.said),
            contrary=self.text(one.contrary),
            unseeded=self.replays(one.unseeded),
        )
