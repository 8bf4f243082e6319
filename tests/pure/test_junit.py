"""Who reads JUnit alone comes to the conclusion of the exit code."""

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from detaudit.commands.ops.findings import OpsAudit
from detaudit.commands.run.findings import RunAudit
from detaudit.commands.scan.findings import Audit
from detaudit.report.build import scan as build_scan
from detaudit.report.formats import registry
from detaudit.report.schema import v1

from tests.pure import example_audits, example_runs, example_sweeps, golden

SCAN, RUN, OPS = example_audits.full(), example_runs.MATCHING, example_sweeps.FOUND
DECIDED = replace(
    SCAN, verdicts=tuple(one for one in SCAN.verdicts if one.verdict not in ("error", "broken"))
)
SKIPPED = next(one for one in SCAN.verdicts if one.verdict == "skipped")
SWEEP = replace(
    OPS, operations=tuple(one for one in OPS.operations if one.verdict not in ("error", "broken"))
)
NO_KERNEL = replace(SWEEP.operations[0], name="CudnnRNN", verdict="skipped", reason="no GPU here")
CASES: dict[str, tuple[Audit | RunAudit | OpsAudit, int]] = {
    "a scan in which nothing is broken": (DECIDED, 0),
    "a strict one": (replace(DECIDED, strict=True), 1),
    "a source that was asked for is skipped": (
        replace(DECIDED, verdicts=(SKIPPED,), requested=(SKIPPED.source,)),
        3,
    ),
    "the lines of the recipe were not seen to work": (
        replace(DECIDED, recipe=replace(DECIDED.recipe, verified=None)),
        3,
    ),
    "a scan that the budget cut": (replace(DECIDED, recipe=None, ladder=(), over_budget=True), 3),
    "a scan that was interrupted": (replace(DECIDED, interrupted=True), 130),
    "a script that is reproducible": (RUN, 0),
    "one that was, when it was interrupted": (replace(RUN, interrupted=True), 130),
    "a script that is not": (example_runs.DIFFERING, 1),
    "a fault of our own": (replace(example_runs.FAILING, own_fault=True), 70),
    "operations that repeat": (SWEEP, 0),
    "no operation was replayed": (replace(SWEEP, operations=()), 3),
    "one that was asked for has no kernel": (
        replace(SWEEP, operations=(*SWEEP.operations, NO_KERNEL), requested=("CudnnRNN",)),
        3,
    ),
    "a sweep that the budget cut": (replace(SWEEP, over_budget=True), 3),
}


def document(audit: Audit | RunAudit | OpsAudit) -> v1.Document:
    if isinstance(audit, OpsAudit):
        return example_sweeps.document(audit)
    if isinstance(audit, RunAudit):
        return example_runs.document(audit)
    declared, private = example_audits.declared(), example_audits.PRIVATE
    return build_scan.document(audit, declared=declared, private=private)


def check(found: v1.Document) -> None:
    root = ET.fromstring(registry.rendered(found, "junit"))
    failures, errors = int(root.attrib["failures"]), int(root.attrib["errors"])
    assert int(root.attrib["tests"]) > 0
    assert (failures > 0) == (found.exit_code == 1)
    if found.exit_code == 0:
        assert not errors
    elif found.exit_code != 1:
        assert errors
    outcome = next(case for case in root.iter("testcase") if case.get("name") == "outcome")
    assert outcome.get("classname") == f"detaudit.{found.command}"


@pytest.mark.parametrize("case", CASES)
def test_who_reads_junit_alone_comes_to_the_same_conclusion(case):
    audit, code = CASES[case]
    found = document(audit)
    assert found.exit_code == code
    check(found)


@pytest.mark.parametrize("name", golden.DOCUMENTS)
def test_so_does_who_reads_it_of_a_saved_report(name):
    check(golden.DOCUMENTS[name])
