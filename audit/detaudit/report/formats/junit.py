"""A report as JUnit XML, for a build server: one test case for the outcome, and one for each
finding.

It reads the document's findings and not the page: ``broken`` is a failure, and with ``--strict`` so
are ``needs-pin`` and ``varies``; ``error`` is an error, ``skipped`` is skipped, and every other
verdict passes, with the observations as its output. The outcome matches the exit code, so a
reader of this file alone comes to the same conclusion. Of a command that this file does not know,
only the outcome is written.
"""

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from detaudit.report.escape import exports, xml
from detaudit.report.pages import ops, registry, run, wording
from detaudit.report.schema import v1

_SUITE = "detaudit"
_TAGS = ("failure", "error", "skipped")
#: How a case ended; empty: it passed.
Tag = Literal["", "failure", "error", "skipped"]


@dataclass(frozen=True)
class _Case:
    """A test case: ``tag`` says how it ended, in a ``message`` and a longer ``text``."""

    group: str
    name: str
    text: str
    tag: Tag = ""
    message: str = ""
    kind: str = ""


def render(document: v1.Document) -> str:
    """Return the XML with its declaration, ending in a newline. The same document gives the same
    text.
    """
    cases = list(_cases(document))
    counts = {tag: str(sum(case.tag == tag for case in cases)) for tag in _TAGS}
    numbers = {
        "tests": str(len(cases)),
        "failures": counts["failure"],
        "errors": counts["error"],
        "skipped": counts["skipped"],
        "time": f"{document.header.seconds:.3f}",
    }
    root = ET.Element("testsuites", {"name": _SUITE, **numbers})
    name = {"name": xml(f"{_SUITE} {document.command}")}
    suite = ET.SubElement(root, "testsuite", {**name, **numbers, **_timestamp(document)})
    properties = ET.SubElement(suite, "properties")
    for key, value in _properties(document):
        ET.SubElement(properties, "property", {"name": key, "value": xml(value)})
    suite.extend(map(_element, cases))
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _element(case: _Case) -> ET.Element:
    """Every string of a case goes through ``escape.xml`` here."""
    names = {"classname": xml(f"{_SUITE}.{case.group}"), "name": xml(case.name)}
    element = ET.Element("testcase", names)
    if not case.tag:
        ET.SubElement(element, "system-out").text = xml(case.text)
        return element
    kind = {"type": xml(case.kind)} if case.kind else {}
    end = ET.SubElement(element, case.tag, {"message": xml(case.message), **kind})
    end.text = xml(case.text) or None
    return element


def _timestamp(document: v1.Document) -> dict[str, str]:
    """Return ISO 8601 without a zone, as the format requires."""
    began = document.header.began[:19]
    return {"timestamp": xml(began)} if began else {}


def _properties(document: v1.Document) -> list[tuple[str, str]]:
    answer = registry.page(document).answer
    pairs = [
        ("outcome", document.outcome),
        ("exit_code", str(document.exit_code)),
        ("reason", document.reason),
        ("answer", f"{answer.verdict}: {answer.sentence}"),
    ]
    if isinstance(document, v1.Report):
        pairs.append(("recipe", "\n".join(document.recipe.lines) if document.recipe else ""))
    return [*pairs, ("environment", wording.context(document))]


def _cases(document: v1.Document) -> Iterator[_Case]:
    yield _outcome(document)
    match document:
        case v1.Report():
            yield _control(document)
            for verdict in document.verdicts:
                yield _source(verdict, document.strict)
        case v1.RunReport():
            yield _reproducible(document)
            yield from map(_cause, document.causes)
            yield from _fix(document)
            yield from map(_output, document.outputs)
            for varied in document.depends_on:
                yield _depends_on(varied, document.strict)
            yield from map(_unaffected_by, document.unaffected_by)
            yield from map(_unresolved, document.unresolved_settings)
        case v1.OpsReport():
            for operation in document.operations:
                yield _operation(operation, document.strict)


def _outcome(document: v1.Document) -> _Case:
    said = f"exit code {document.exit_code}: {document.reason}"
    if document.exit_code == 0:
        return _Case(document.command, "outcome", said)
    tag: Tag = "failure" if document.exit_code == 1 else "error"
    return _Case(document.command, "outcome", "", tag, said, document.outcome)


def _judged(
    group: str, name: str, verdict: v1.Kind, observed: str, more: str, strict: bool = False
) -> _Case:
    """Return a case for a verdict, with the observations in a sentence, and ``more`` about it."""
    said = f"{verdict}: {observed}"
    if verdict == "broken" or (strict and verdict in ("needs-pin", "varies")):
        return _Case(group, name, more, "failure", said, verdict)
    if verdict == "error":
        return _Case(group, name, more, "error", said, verdict)
    if verdict == "skipped":
        return _Case(group, name, "", "skipped", said)
    return _Case(group, name, f"{said}\n{more}".rstrip("\n"))


def _lines(*groups: Iterable[str]) -> str:
    return "\n".join(line for group in groups for line in group)


def _control(report: v1.Report) -> _Case:
    control = report.control
    if control is None:
        return _Case("control", "control", "", "error", f"not run: {report.reason}")
    observed = _lines(
        f"{wording.short(model.model)}: {wording.of_control(model)}" for model in control.models
    )
    if control.matches is None:
        return _Case("control", "control", observed, "error", "not decided")
    if not control.matches:
        return _Case(
            "control", "control", observed, "failure", "runs differ with everything pinned"
        )
    return _Case("control", "control", observed)


def _source(verdict: v1.Verdict, strict: bool) -> _Case:
    """Return where runs differ, what the pairs showed, and how to pin the source."""
    first = (
        [f"first difference: {wording.describe_divergence(verdict.divergence)}"]
        if verdict.divergence
        else []
    )
    fix = [*exports(verdict.fix.environment), *verdict.fix.lines] if verdict.fix else []
    more = _lines(first, wording.evidence(verdict.counts, verdict.trial_numbers), fix)
    group = verdict.family.replace(" ", "-")
    return _judged(
        group, verdict.source, verdict.verdict, wording.describe_verdict(verdict), more, strict
    )


def _reproducible(report: v1.RunReport) -> _Case:
    answer = run.answer(report)
    details = _lines(f"{label}: {value}" for label, value in run.details(report))
    if report.reproducible is None:
        more = _lines([details] if details else [], report.traceback.splitlines())
        return _Case("run", "reproducible", more, "error", answer.sentence)
    if not report.reproducible:
        return _Case("run", "reproducible", details, "failure", answer.sentence, "not-reproducible")
    return _Case("run", "reproducible", _lines([answer.sentence], [details] if details else []))


def _cause(cause: v1.Cause) -> _Case:
    sites = _lines(run.describe_site(site, cause.source) for site in cause.sites)
    return _Case(
        "cause",
        cause.source,
        sites,
        "failure",
        f"needs-pin: {run.describe_cause(cause)}",
        "needs-pin",
    )


def _fix(report: v1.RunReport) -> Iterator[_Case]:
    """Yield a case that says whether the fix works, if the script needs one."""
    fix = report.fix
    if fix is None:
        if report.causes:
            yield _Case("fix", "fix", "", "skipped", report.no_fix_reason or "no fix was found")
        return
    said, change = run.describe_fix(fix), _lines(exports(fix.environment), fix.diff.splitlines())
    if fix.verified is None:
        yield _Case("fix", "fix", change, "error", said)
    elif not fix.verified:
        yield _Case("fix", "fix", change, "failure", said)
    else:
        yield _Case("fix", "fix", f"{said}\n{change}")


def _output(output: v1.Output) -> _Case:
    """Return a case for an output: saved arrays decide the verdict, other differences do not."""
    name = f"{output.kind} {output.name}"
    if output.matches:
        return _Case("output", name, "identical in all runs")
    if output.kind == "saved":
        return _Case("output", name, "", "failure", run.describe_output(output))
    said = f"{run.describe_output(output)}; not judged, because the training matches"
    return _Case("output", name, said)


def _depends_on(setting: v1.Varied, strict: bool) -> _Case:
    """Return a case for a setting of the machine that changes the result."""
    first = ""
    if setting.divergence is not None:
        first = f"first difference: {wording.describe_divergence(setting.divergence)}"
    if strict:
        return _Case("setting", setting.source, first, "failure", _observed(setting), "varies")
    return _Case("setting", setting.source, f"{_observed(setting)}\n{first}".rstrip("\n"))


def _unaffected_by(setting: v1.Varied) -> _Case:
    return _Case("setting", setting.source, _observed(setting))


def _unresolved(setting: v1.Varied) -> _Case:
    return _Case("setting", setting.source, "", "skipped", _observed(setting))


def _observed(setting: v1.Varied) -> str:
    return f"{setting.title}: {setting.reason}"


def _operation(operation: v1.Operation, strict: bool) -> _Case:
    replays = {
        "default": operation.default,
        "op determinism": operation.deterministic,
        "one thread": operation.one_thread,
    }
    more = _lines(
        f"{label}: {ops.distinct(count)} replays" for label, count in replays.items() if count
    )
    name = f"{operation.name} {operation.dtype}"
    return _judged(
        "operation", name, operation.verdict, ops.describe_operation(operation), more, strict
    )
