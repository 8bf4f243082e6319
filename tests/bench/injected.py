"""The results of the injection study as a table for docs/explanation/injections.md."""

from collections.abc import Sequence
from statistics import median
from typing import Any

HEAD = [
    "| source | injections run | cause found | others invented | line right | fix verified | median runs | "
    "median seconds |",
    "|---|---|---|---|---|---|---|---|",
]


def table(done: Sequence[dict[str, Any]], everything: Sequence[Any]) -> str:
    """Markdown: a row for each source, the totals, and every injection that was missed."""
    rows = list(HEAD)
    for source in sorted({one.source for one in everything}):
        mine = [one for one in done if one["source"] == source]
        of = sum(one.source == source for one in everything)
        rows.append(
            f"| {source} | {len(mine)} of {of} | {_figures(mine)} |"
            if mine
            else f"| {source} | 0 of {of} | | | | | | |"
        )
    if not done:
        return "\n".join(rows)
    rows.append(f"| **all** | {len(done)} of {len(everything)} | {_figures(done)} |")
    return "\n".join([*rows, "", *_totals(done), "", *_misses(done)])


def found(one: dict[str, Any]) -> bool:
    """The planted source was named, or, if runs match on one machine, reported as a setting that
    the result depends on.
    """
    return one["source"] in (one["found"] if one["planted"] else one["rests"])


def shown(one: dict[str, Any]) -> bool:
    """Whether the report shows a change with which runs match, but that the user must make."""
    return not one["fixed"] and "detaudit does not add it" in one.get("no_fix_reason", "")


def invented(one: dict[str, Any]) -> list[str]:
    return [name for name in one["found"] if name != one["source"]]


def _figures(mine: Sequence[dict[str, Any]]) -> str:
    hits = [one for one in mine if one["planted"] and found(one)]
    lines = f"{sum(all(one['lines'].values()) for one in hits)} of {len(hits)}" if hits else "-"
    fixed = f"{sum(one['fixed'] for one in hits)} of {len(hits)}" if hits else "-"
    return (
        f"{sum(map(found, mine))} of {len(mine)} | {sum(len(invented(one)) for one in mine)} | {lines} | {fixed} | "
        f"{median(one['trials'] for one in mine):.0f} | {median(one['seconds'] for one in mine):.0f}"
    )


def _totals(done: Sequence[dict[str, Any]]) -> list[str]:
    hits, named = [one for one in done if found(one)], sum(len(one["found"]) for one in done)
    causes = [one for one in hits if one["planted"]]
    reported = [one for one in causes if one["source"] in one["sited"]]
    lines = sum(all(one["lines"].values()) for one in causes)
    states = len({one["product"] for one in done})
    return [
        f"- precision: {len(causes)} of {named} causes named were planted",
        f"- recall: {len(hits)} of {len(done)} planted sources were found",
        f"- line: right for {lines} of the {len(causes)} causes found; "
        f"for {len(causes) - len(reported)} no line was reported",
        f"- fix: verified for {sum(one['fixed'] for one in causes)} of {len(causes)}; "
        f"for {sum(map(shown, causes))} more, a line that deletes files was run and shown",
        f"- these results are those of {states} state{'s' if states > 1 else ''} of detaudit",
    ]


def _misses(done: Sequence[dict[str, Any]]) -> list[str]:
    wrong = sorted((one for one in done if not one["right"]), key=lambda one: one["injection"])
    rows = ["| not right | named | verdict | why |", "|---|---|---|---|"]
    for one in wrong:
        idle = "" if one["differing"] or not one["planted"] else "its runs did not differ; "
        why = f"{idle}{one['reason']}".replace("|", "/").replace("\n", " ")
        rows.append(
            f"| {one['injection']} | {', '.join(one['found']) or 'none'} | {one['verdict']} | {why} |"
        )
    return rows if wrong else ["Every one of them was right."]
