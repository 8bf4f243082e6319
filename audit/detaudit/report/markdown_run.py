"""The report of ``detaudit run`` as Markdown for a public bug, under the same limit as a scan's."""

from detaudit.report.escape import exports, fenced
from detaudit.report.escape import markdown as text
from detaudit.report.formats.markdown import LIMIT, facts_of, layers_of
from detaudit.report.pages import run as words
from detaudit.report.pages import wording
from detaudit.report.schema import v1

LONGEST_DIFF = 20_000


def render(report: v1.RunReport) -> str:
    """The page, ending in a newline. The same document gives the same text."""
    _, verdict, sentence = words.answer(report)
    parts = [f"### detaudit run: {text(report.program)}", f"**{verdict}.** {text(sentence, 1000)}"]
    parts.append(
        "\n".join(f"- **{label}:** {text(value, 1000)}" for label, value in words.details(report))
    )
    for cause in report.causes:
        lines = [f"- **Why:** {text(cause.source)}: {text(words.cause(cause))}"]
        lines += [f"  - {text(words.site(site, cause.source))}" for site in cause.sites[:20]]
        parts.append("\n".join(lines))
    if report.fix is not None:
        parts.append(f"**Fix:** {text(words.fix(report.fix))}")
        if report.fix.environment:
            parts.append(fenced(exports(report.fix.environment), "sh"))
        if report.fix.diff:
            parts.append(fenced(report.fix.diff[:LONGEST_DIFF].splitlines(), "diff"))
    for pin, one in report.price.fixes.items() if report.price is not None else ():
        parts.append(f"**Faster:** {text(words.applied(pin, one))}")
        if one.lines or one.environment:
            parts.append(
                fenced([*one.lines, *exports(one.environment)], "python" if one.lines else "sh")
            )
    if report.traceback:
        parts.append(fenced(report.traceback.splitlines()[-40:], "text"))
    rows = "\n".join(
        f"- {text(label)}: {text(value, 600)}"
        for label, value in list(words.evidence(report))[:200]
    )
    parts.append(f"<details><summary>Evidence</summary>\n\n{rows}\n\n</details>")
    if report.pinpoint is not None and report.pinpoint.passages:
        parts.append(layers_of(report.pinpoint))
    parts.append(facts_of(report))
    ending = f"{text(words.end(report, True), 600)}. Seen on {text(wording.context(report), 500)}."
    page = "\n\n".join(part for part in parts if part)
    return f"{page[: LIMIT - 2000]}\n\n{ending}\n"
