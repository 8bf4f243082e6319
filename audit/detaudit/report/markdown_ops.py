"""The report of ``detaudit ops`` as Markdown for a public bug."""

from collections.abc import Iterable

from detaudit.report.escape import code
from detaudit.report.escape import markdown as text
from detaudit.report.formats.markdown import LIMIT, facts_of
from detaudit.report.pages import ops as words
from detaudit.report.pages import wording
from detaudit.report.schema import v1

_HEAD = (
    "| operation | dtypes | verdict | as it is | op determinism | one thread | threads | oneDNN | batch | cost | "
    "seen |\n|" + " --- |" * 11
)


def render(report: v1.OpsReport) -> str:
    """The page, ending in a newline. The same document gives the same text."""
    _, verdict, sentence = words.answer(report)
    parts = [
        "### detaudit ops",
        f"**{verdict}.** {text(sentence, 1000)}",
        text(words.counts(report), 300),
    ]
    acting = words.lines(report, ("broken", "error", "needs-pin"))
    if acting:
        parts.append(_table(acting))
    rest = words.lines(report, ("varies", "reproducible", "skipped"))
    parts.append(
        f"<details><summary>The other operations</summary>\n\n{_table(rest)}\n\n</details>"
        if rest
        else ""
    )
    if report.refusals:
        rows = "\n".join(
            f"| {text(one.message, 400)} | {text(words.refusal(one), 400)} |"
            for one in report.refusals
        )
        parts.append(
            "<details><summary>What the library says refuses to run under op determinism</summary>\n\n"
            f"| message | here |\n| --- | --- |\n{rows}\n\n</details>"
        )
    parts.append(facts_of(report))
    ending = f"{text(words.end(report, True), 600)}. Seen on {text(wording.context(report), 500)}."
    page = "\n\n".join(part for part in parts if part)
    return f"{page[: LIMIT - 2000]}\n\n{ending}\n"


def _table(found: Iterable[words.Line]) -> str:
    rows = []
    for name, dtypes, one in found:
        cells = (
            code(name),
            dtypes,
            one.verdict,
            words.distinct(one.default),
            words.distinct(one.deterministic),
            words.distinct(one.one_thread),
            words.yes_no(one.threads_agree),
            words.yes_no(one.onednn_agrees),
            words.yes_no(one.batch_agrees),
            words.cost(one),
            text(words.seen(one), 400),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join([_HEAD, *rows])
