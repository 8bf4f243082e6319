"""The document of a sweep over operations."""

from typing import Any

from detaudit.commands.ops import findings
from detaudit.commands.ops.conclusion import conclude
from detaudit.report.build import common
from detaudit.report.build.common import Known
from detaudit.report.build.convert import Rules
from detaudit.report.privacy import Private
from detaudit.report.schema import v1


def document(audit: findings.OpsAudit, private: Private | None = None) -> v1.OpsReport:
    """Return the document of a sweep over operations."""
    return common.document(v1.OpsReport, audit, conclude(audit), RULES, private=private)


def _report(_: Known, audit: findings.OpsAudit) -> dict[str, Any]:
    return {"verdicts": (), "notes": {}}


RULES: Rules = {(v1.OpsReport, findings.OpsAudit): _report}
