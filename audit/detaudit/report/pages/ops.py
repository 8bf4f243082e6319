"""The sentences that every face of a report on operations shares, from the document alone."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from detaudit.report.pages.run import BAD, GOOD, UNSURE
from detaudit.report.pages.wording import listed, number, spread, where, work
from detaudit.report.schema import v1

#: The order in which operations are shown: what to act on first.
ORDER = ("broken", "error", "needs-pin", "varies", "reproducible", "skipped")


class Line(NamedTuple):
    """Entries that are told alike, of one operation: ``dtypes`` in one line."""

    name: str
    dtypes: str
    one: v1.Operation


def answer(report: v1.OpsReport) -> tuple[str, str, str]:
    """(tone, verdict in capitals, one sentence)."""
    names = {one.name for one in report.operations}
    parting = [
        name
        for name in dict.fromkeys(
            one.name for one in report.operations if one.verdict == "needs-pin"
        )
    ]
    broken = list(dict.fromkeys(one.name for one in report.operations if one.verdict == "broken"))
    if broken:
        return (
            BAD,
            "BROKEN",
            (
                f"{len(broken)} of {number(len(names), 'operation')} give other results from equal "
                f"inputs under op determinism, or whatever is pinned: {listed(broken)}."
            ),
        )
    if report.outcome == "inconclusive":
        return UNSURE, "NOT DECIDED", f"{report.reason}."
    if parting:
        return (
            UNSURE,
            "NEEDS A PIN",
            (
                f"{len(parting)} of {number(len(names), 'operation')} gave different results "
                f"from equal inputs: {listed(parting)}."
            ),
        )
    return (
        GOOD,
        "REPEATS",
        f"{number(len(names), 'operation')}: replays gave the same bits, and so did two processes.",
    )


def lines(report: v1.OpsReport, verdicts: Sequence[str] = ORDER) -> list[Line]:
    """The entries in the order of ``ORDER``; dtypes of one operation with one verdict together."""
    found: dict[tuple, list[v1.Operation]] = {}
    for one in report.operations:
        if one.verdict in verdicts:
            found.setdefault((ORDER.index(one.verdict), one.name), []).append(one)
    return [
        Line(name, ", ".join(one.dtype for one in group), group[0])
        for (_, name), group in sorted(found.items())
    ]


def counts(report: v1.OpsReport) -> str:
    """How many entries have which verdict."""
    numbers = {
        verdict: sum(one.verdict == verdict for one in report.operations) for verdict in ORDER
    }
    return ", ".join(f"{count} {verdict}" for verdict, count in numbers.items() if count)


def seen(one: v1.Operation) -> str:
    """What was seen of one entry."""
    parts = [one.reason]
    if one.guilty is not None and one.guilty.operation != one.name:
        parts.append(f"in {one.guilty.operation}")
    if one.divergence is not None:
        parts.append(where(one.divergence))
    if one.refused:
        parts.append(f"under op determinism: {one.refused}")
    if one.contrary:
        parts.append(one.contrary)
    if one.cost is not None:
        parts.append(f"op determinism takes {cost(one)} times as long")
    return "; ".join(parts)


def distinct(one: v1.Replays | None) -> str:
    return "" if one is None else f"{one.distinct} of {one.replays}"


def yes_no(value: bool | None) -> str:
    return {True: "same", False: "other", None: ""}[value]


def cost(one: v1.Operation) -> str:
    return "" if one.cost is None else f"{one.cost:.2f}{spread(one.cost_range)}"


def refusal(one: v1.Refusal) -> str:
    here = [f"refuses here: {listed(one.seen)}"] if one.seen else []
    here += [f"ran here: {listed(one.ran)}"] if one.ran else []
    untried = [name for name in one.operations if name not in (*one.seen, *one.ran)]
    here += [f"not tried: {listed(untried)}"] if untried else []
    return "; ".join(here) or "names no operation"


def unlike_batches(operations: Iterable[v1.Operation]) -> list[str]:
    """Operations that give one example other bits when it stands in a batch."""
    return list(dict.fromkeys(one.name for one in operations if one.batch_agrees is False))


def end(report: v1.OpsReport, verbose: bool) -> str:
    more = "" if verbose else " \u00b7 -v shows every operation"
    return f"{work(report)} \u00b7 exit code {report.exit_code}: {report.reason}{more}"
