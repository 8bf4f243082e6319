"""The report as JUnit XML, for a build server: one test case for the control and one for each
source.
"""

import xml.etree.ElementTree as ET

from detaudit.report.escape import exports, xml
from detaudit.report.pages import wording
from detaudit.report.pages.scan import answer
from detaudit.report.schema import v1

_SUITE = "detaudit"


def render(report: v1.Report) -> str:
    """The XML with its declaration, ending in a newline. The same document gives the same text.

    ``broken`` is a failure, and with ``--strict`` so are ``needs-pin`` and ``varies``; ``error`` is
    an error, ``skipped`` is skipped, and every other verdict passes with what was seen as its
    output.
    """
    cases = [_control(report), *(_source(report, one) for one in report.verdicts)]
    counts = {
        tag: sum(case.find(tag) is not None for case in cases)
        for tag in ("failure", "error", "skipped")
    }
    numbers = {
        "tests": str(len(cases)),
        "failures": str(counts["failure"]),
        "errors": str(counts["error"]),
        "skipped": str(counts["skipped"]),
        "time": f"{report.header.seconds:.3f}",
    }
    root = ET.Element("testsuites", {"name": _SUITE, **numbers})
    suite = ET.SubElement(
        root,
        "testsuite",
        {"name": xml(f"{_SUITE} {report.command}"), **numbers, **_timestamp(report)},
    )
    properties = ET.SubElement(suite, "properties")
    for name, value in _properties(report):
        ET.SubElement(properties, "property", {"name": name, "value": xml(value)})
    suite.extend(cases)
    ET.indent(root, " ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _timestamp(report: v1.Report) -> dict[str, str]:
    """ISO 8601 without a zone, as the format has it."""
    began = report.header.began[:19]
    return {"timestamp": xml(began)} if began else {}


def _properties(report: v1.Report) -> list[tuple[str, str]]:
    found = answer(report)
    recipe = "\n".join(report.recipe.lines) if report.recipe else ""
    return [
        ("outcome", report.outcome),
        ("exit_code", str(report.exit_code)),
        ("reason", report.reason),
        ("answer", f"{found.verdict}: {found.sentence}"),
        ("recipe", recipe),
        ("environment", wording.context(report)),
    ]


def _case(group: str, name: str) -> ET.Element:
    return ET.Element("testcase", {"classname": xml(f"{_SUITE}.{group}"), "name": xml(name)})


def _control(report: v1.Report) -> ET.Element:
    case = _case("control", "control")
    control = report.control
    if control is None:
        ET.SubElement(case, "error", {"message": xml(f"not run: {report.reason}")})
        return case
    seen = "\n".join(
        f"{wording.short(one.model)}: {wording.of_control(one)}" for one in control.models
    )
    if control.holds is None:
        ET.SubElement(case, "error", {"message": "undecided"}).text = xml(seen)
    elif not control.holds:
        ET.SubElement(case, "failure", {"message": "runs part with everything pinned"}).text = xml(
            seen
        )
    else:
        ET.SubElement(case, "system-out").text = xml(seen)
    return case


def _source(report: v1.Report, one: v1.Verdict) -> ET.Element:
    case = _case(one.family.replace(" ", "-"), one.source)
    message = {"message": xml(f"{one.verdict}: {wording.seen(one)}")}
    tag = _tag(report, one)
    if tag == "skipped":
        ET.SubElement(case, tag, message)
    elif tag is not None:
        ET.SubElement(case, tag, {**message, "type": one.verdict}).text = xml(_body(one))
    else:
        ET.SubElement(case, "system-out").text = xml(
            f"{message['message']}\n{_body(one)}".rstrip("\n")
        )
    return case


def _tag(report: v1.Report, one: v1.Verdict) -> str | None:
    if one.verdict == "broken" or (report.strict and one.verdict in ("needs-pin", "varies")):
        return "failure"
    return one.verdict if one.verdict in ("error", "skipped") else None


def _body(one: v1.Verdict) -> str:
    """Where it parts, what the pairs showed, and how to pin it."""
    first = [f"parts first at {wording.where(one.divergence)}"] if one.divergence else []
    fix = [*exports(one.fix.environment), *one.fix.lines] if one.fix else []
    return "\n".join([*first, *wording.evidence(one.counts, one.trial_numbers), *fix])
