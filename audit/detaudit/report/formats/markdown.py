"""The report as Markdown for a public bug: under 60,000 characters, whatever it holds.

The answer and the table of sources stand open, the evidence is folded into ``<details>``. Blocks
are given room in the order in which a reader needs them; what no longer fits is counted, never cut
in the middle.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from detaudit.report.escape import code, exports, fenced
from detaudit.report.escape import markdown as text
from detaudit.report.pages import wording
from detaudit.report.pages.scan import answer
from detaudit.report.schema import v1

LIMIT = 60_000  # characters; GitHub refuses an issue of more than 65,536
_RESERVE = 4_000  # for what closes the page, and for the counts of what was left out
_MOST_FACTS = 150
_AROUND = 30  # layers of a replayed step that are shown, before the first that parts and after it
_SIGNS = {True: "\u2713", False: "\u2717", None: "\u2013"}


@dataclass(frozen=True)
class _Block:
    """As many rows as there is room for, one of each of ``parts``, between ``before`` and
    ``after``.
    """

    before: str
    parts: Sequence[Any]
    row: Callable[[Any], str]
    after: str = ""


def render(report: v1.Report) -> str:
    """The page, ending in a newline. The same document gives the same text."""
    blocks = (
        _answer(report),
        _sources(report),
        _pins(report),
        _ladder(report),
        _matrix(report),
        _reach(report),
        _placebos(report),
        _evidence(report),
        _facts(report),
        _unfinished(report),
    )
    return _fitted([one for one in blocks if one.parts], LIMIT - _RESERVE) + _end(report)


def _fitted(blocks: Iterable[_Block], room: int) -> str:
    """The blocks in their order, in at most ``room`` characters."""
    page: list[str] = []
    left_out = 0
    for block in blocks:
        free = room - len(block.before) - len(block.after) - 100
        kept: list[str] = []
        for row in map(block.row, block.parts):
            if len(row) + 1 > free:
                break
            kept.append(row)
            free -= len(row) + 1
        missing = len(block.parts) - len(kept)
        if not kept:
            left_out += 1
            continue
        note = f"\n\n{missing:,} more in the JSON report." if missing else ""
        whole = "\n".join([block.before, *kept]).rstrip("\n") + note + block.after + "\n\n"
        page.append(whole)
        room -= len(whole)
    if left_out:
        page.append(
            f"{wording.number(left_out, 'section')} left out for want of room: see the JSON report.\n\n"
        )
    return "".join(page)


def _answer(report: v1.Report) -> _Block:
    found, recipe = answer(report), report.recipe
    rows = [f"**{found.verdict}.** {text(found.sentence, 1000)}"]
    if recipe is not None and recipe.rung != "none":
        rows += ["", _paste(recipe)]
    rows += ["", *(f"- **{label}:** {text(said, 1000)}" for label, said in found.details)]
    rows += [f"- **Warning:** {text(one, 500)}" for one in report.warnings[:20]]
    rows.append(f"- **Seen on:** {text(wording.context(report), 500)}")
    return _Block(
        f"### detaudit {text(report.command)}: training that repeats to the last bit\n", rows, str
    )


def _paste(fix: v1.Fix | v1.Recipe) -> str:
    blocks = []
    if fix.environment:
        blocks.append(fenced(exports(fix.environment)[:20], "sh"))
    if fix.lines:
        blocks.append(fenced(fix.lines[:40], "python"))
    return "\n\n".join(blocks)


def _table(*titles: str) -> str:
    return f"| {' | '.join(titles)} |\n|{' --- |' * len(titles)}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _folded(title: str, parts: Sequence[Any], row: Callable[[Any], str], head: str = "") -> _Block:
    """A block that is folded away; ``title`` is ours, for nothing is escaped in a summary."""
    before = f"<details><summary>{title}</summary>\n" + (f"\n{head}" if head else "")
    return _Block(before, parts, row, "\n\n</details>")


def _sources(report: v1.Report) -> _Block:
    def row(one: v1.Verdict) -> str:
        pin = "" if one.verdict != "needs-pin" or one.pin is None else code(one.pin)
        pin = "the recipe" if pin and wording.in_recipe(report, one) else pin
        return _row(code(one.source), one.verdict, text(wording.seen(one)), pin)

    return _Block(
        _table("source", "verdict", "what was seen", "pin"), wording.ordered(report.verdicts), row
    )


def _pins(report: v1.Report) -> _Block:
    fixes = {
        one.pin: one.fix
        for one in report.verdicts
        if one.verdict == "needs-pin" and one.fix is not None
    }

    def row(item: tuple[str, v1.Fix]) -> str:
        return f"Pin {code(item[0])}. {text(item[1].note)}".rstrip() + f"\n\n{_paste(item[1])}\n"

    return _folded(
        "The pins, as lines to paste", [(pin or "", fix) for pin, fix in fixes.items()], row
    )


def _ladder(report: v1.Report) -> _Block:
    def row(one: v1.Rung) -> str:
        return _row(
            _SIGNS[one.holds],
            text(one.title),
            text(wording.climbed(one)),
            wording.cost(one),
            text("; ".join(one.changes)),
        )

    return _folded(
        f"Recipes, weakest first, each on {wording.climbing(report)}",
        report.ladder,
        row,
        _table("", "recipe", "what was seen", "step time", "changes besides"),
    )


def _matrix(report: v1.Report) -> _Block:
    generators = list(dict.fromkeys(one.generator for one in report.matrix))[:20]
    cells = {(one.component, one.generator): one.decides for one in report.matrix}
    signs = {True: "\u2713", False: "\u00b7", None: "?"}

    def row(component: str) -> str:
        return _row(
            code(component, 60), *(signs[cells.get((component, name))] for name in generators)
        )

    return _folded(
        "Which generator decides what",
        list(dict.fromkeys(one.component for one in report.matrix)),
        row,
        _table("", *(code(name, 60) for name in generators)),
    )


def _reach(report: v1.Report) -> _Block:
    def row(one: v1.Level) -> str:
        place = f", first at {wording.where(one.divergence)}" if one.divergence else ""
        return _row(_SIGNS[one.agrees], text(one.title), text(one.reason + place))

    head = f"{text(wording.farthest(report))}\n\n{_table('', 'level', 'what was seen')}"
    return _folded("Reach", report.reach, row, head)


def _placebos(report: v1.Report) -> _Block:
    said = {True: "does nothing", False: "has an effect", None: "not shown"}

    def row(one: v1.Placebo) -> str:
        return _row(
            text(one.title), said[one.does_nothing], text(one.reason), "yes" if one.yours else ""
        )

    return _folded(
        "Placebos: settings that people rely on",
        report.placebos,
        row,
        _table("setting", "", "what was seen", "in this environment"),
    )


def _evidence(report: v1.Report) -> _Block:
    def row(one: v1.Controlled | v1.Verdict) -> str:
        if isinstance(one, v1.Controlled):
            return _row(
                f"control, {text(wording.short(one.model), 60)}",
                text(wording.of_control(one), 600),
                "",
            )
        counts = wording.evidence(one.counts, one.trial_numbers)
        return _row(
            code(one.source),
            text("; ".join(counts), 600),
            text(wording.first(one), 600) if one.divergence else "",
        )

    control = report.control.models if report.control else ()
    tried = [one for one in wording.ordered(report.verdicts) if one.trials]
    return _folded(
        "Evidence", [*control, *tried], row, _table("source", "pairs", "where runs part first")
    )


def facts_of(report: v1.Document) -> str:
    """Machine and environment, folded."""
    return _shown(_facts(report))


def _shown(block: _Block) -> str:
    return "\n".join([block.before, *map(block.row, block.parts)]) + block.after


def layers_of(found: v1.Pinpoint) -> str:
    """The replayed step, layer by layer, folded: what repeats, where it parts, what differs from
    there on.
    """
    rows = wording.passages(found)
    parted = next((number for number, one in enumerate(rows) if one.outputs > 1), 0)

    def row(one: v1.Passage) -> str:
        return _row(
            text(one.stage, 20), text(one.layer, 100), str(one.operations), wording.passage(one)
        )

    block = _folded(
        "The replayed step, layer by layer",
        rows[max(0, parted - _AROUND) : parted + _AROUND],
        row,
        _table("stage", "layer or variable", "operations", "in all replays"),
    )
    return _shown(block)


def _facts(report: v1.Document) -> _Block:
    lines = wording.flat(
        {"machine": report.machine, "environment": report.environment, "options": report.options}
    )
    more = (
        [f"({len(lines) - _MOST_FACTS:,} more in the JSON report)"]
        if len(lines) > _MOST_FACTS
        else []
    )
    return _folded(
        "Machine and environment", [fenced([*lines[:_MOST_FACTS], *more], "text", 200)], str
    )


def _unfinished(report: v1.Report) -> _Block:
    def row(one: v1.Trial) -> str:
        return _row(str(one.number), text(one.outcome, 60), text(one.reason))

    return _folded(
        "Trials that did not complete",
        [one for one in report.trials if one.outcome != "completed"],
        row,
        _table("trial", "outcome", "reason"),
    )


def _end(report: v1.Report) -> str:
    tool = f"{text(report.tool.name, 60)} {text(report.tool.version, 60)}"
    return (
        f"{wording.work(report)}; exit code {report.exit_code}: {text(report.reason)}. Written by {tool}, "
        f"report version {report.version}.\n"
    )
