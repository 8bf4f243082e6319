"""The page of a scan: the answer first, then the sources, then the other findings."""

from collections.abc import Iterator, Sequence

from detaudit.core.conclusion import FAULT
from detaudit.core.sentences import listed
from detaudit.report.pages import figures, frame, wording
from detaudit.report.pages.page import (
    Answer,
    Block,
    Closing,
    Column,
    Depth,
    Head,
    Id,
    Inline,
    Line,
    Lines,
    Page,
    Paste,
    Row,
    Several,
    Sign,
    Snippet,
    Table,
    Text,
    Verdict,
)
from detaudit.report.pages.wording import (
    cost,
    describe_divergence,
    in_recipe,
    number,
    short,
)
from detaudit.report.schema import v1

_MOST_USUAL = 3  # rows of sources that need a pin
_AT_FAULT = "This machine or this build is at fault: file a bug, and attach this report."


def page(report: v1.Report) -> Page:
    """Return the whole page."""
    title = "detaudit scan: is training reproducible here?"
    closing = Closing(
        (wording.work(report), wording.decided(report)),
        "-v shows the evidence",
        ("detaudit explain ID describes a source",),
    )
    return frame.page_of(report, title, _blocks(report), closing, _next_steps(report))


def _next_steps(report: v1.Report) -> Iterator[Block]:
    """Return what a reader should do next."""
    yield from _recipe_lines(report)
    if answer(report).verdict == "NO":
        yield Lines((Line("What to do", wording.FILE_A_BUG),))
    besides = _besides(report)
    if besides:
        yield Lines((Line("Also pin", besides),))


def _recipe_lines(report: v1.Report) -> Iterator[Paste]:
    if report.recipe is not None and report.recipe.rung != "none":
        yield Paste((Snippet(report.recipe.lines, report.recipe.environment),))


def answer(report: v1.Report) -> Answer:
    """Does training here give the same bits twice?"""
    control = report.control
    if control is None:
        return _not_observed(report)
    if control.matches is False:
        sentence = (
            f"Two training runs differ although everything is pinned. {_AT_FAULT} No cause was "
            "searched for, because any answer would be a guess."
        )
        return Answer("bad", "NO", sentence)
    broken = [verdict.source for verdict in report.verdicts if verdict.verdict == "broken"]
    if broken:
        sentence = (
            f"In the trials of {listed(broken)}, runs of the same condition differ although "
            f"everything is pinned. {_AT_FAULT}"
        )
        return Answer("bad", "NO", sentence)
    if control.matches is None:
        return _not_observed(report)
    if report.recipe is None:
        return _without_recipe(report)
    return _with_recipe(report.recipe)


def _blocks(report: v1.Report) -> Iterator[Block]:
    yield answer(report)
    yield from _recipe_lines(report)
    yield _details(report)
    if report.verdicts:
        yield _sources(report)
    yield from _pins(report)
    if report.ladder:
        yield _ladder(report)
        timed = [(rung.title, rung) for rung in report.ladder]
        yield from figures.costs(
            timed, "Cost of the recipes", "step time relative to that with nothing pinned"
        )
    if report.matrix:
        yield _matrix(report)
    if report.reach:
        yield _reach(report)
    if report.placebos:
        yield _placebos(report)
    yield _evidence(report)


def _details(report: v1.Report) -> Lines:
    """Return the labelled lines below the answer: what must be pinned, which settings change the
    result.
    """
    said = {
        "Differs at": _differs_at(report),
        "Recipe": _recipe(report),
        "Unpinned": _unpinned(report),
        "Also pin": _besides(report),
        "Keep fixed": _keep_equal(report),
        "Unresolved": _undecided(report),
        "Not tried": _untried(report),
        "Ended early": _early(report),
    }
    lines = [Line(label, value) for label, value in said.items() if value]
    lines += [Line("Warning", one, "notice") for one in report.warnings[: frame.MOST_WARNINGS]]
    return Lines((*lines, *frame.context_lines(report)))


def _sources(report: v1.Report) -> Table:
    def pin(verdict: v1.Verdict) -> Inline:
        if verdict.verdict != "needs-pin" or verdict.pin is None:
            return ""
        return (
            Text("the recipe", "quiet") if in_recipe(report, verdict) else Id(verdict.pin, "name")
        )

    def row(verdict: v1.Verdict) -> Row:
        observed = Text(
            wording.describe_verdict(verdict), "quiet" if verdict.verdict == "skipped" else ""
        )
        depth = Depth.DETAIL if verdict in usual else Depth.OPEN
        return Row((Id(verdict.source), Verdict(verdict.verdict), observed, pin(verdict)), depth)

    usual = _usual(report)
    rows = tuple(map(row, wording.ordered(report.verdicts)))
    columns = tuple(map(Column, ("source", "verdict", "observed", "pin")))
    brief = _in_one_row(report, usual) if usual else None
    return Table(columns, rows, Head.RULED, brief)


def _usual(report: v1.Report) -> list[v1.Verdict]:
    """Return the sources that need a pin if they are many, and none was requested by name: on every
    machine they need one.
    """
    found = [verdict for verdict in report.verdicts if verdict.verdict == "needs-pin"]
    return found if len(found) > _MOST_USUAL and not report.options.get("only") else []


def _in_one_row(report: v1.Report, usual: Sequence[v1.Verdict]) -> Row:
    """Return all of them in one row of a terminal that shows no evidence."""
    by_recipe = sum(in_recipe(report, verdict) for verdict in usual)
    others = len(usual) - by_recipe
    by = [f"{by_recipe} by the recipe"] if by_recipe else []
    by += [f"{others} by the pins below"] if others else []
    name = Text(number(len(usual), "source"))
    shown = f"pinned: {', '.join(by)}"
    return Row((name, Verdict("needs-pin"), shown, Text("-v lists them", "quiet")))


def _pins(report: v1.Report) -> Iterator[Paste]:
    """Return each pin once; those that the recipe makes unnecessary are details."""
    wanted = [
        verdict
        for verdict in report.verdicts
        if verdict.verdict == "needs-pin" and verdict.fix is not None
    ]
    besides = [verdict for verdict in wanted if not in_recipe(report, verdict)]
    snippets = []
    for pin in dict.fromkeys(verdict.pin for verdict in wanted):
        sources = [verdict for verdict in wanted if verdict.pin == pin]
        fix = sources[0].fix
        assert fix is not None
        snippets.append(
            Snippet(
                fix.lines,
                fix.environment,
                ", ".join(verdict.source for verdict in sources),
                fix.note,
                Depth.OPEN if any(verdict in besides for verdict in sources) else Depth.DETAIL,
            )
        )
    if snippets:
        yield Paste(
            tuple(snippets),
            title="Pins",
            remark="lines to paste if your code uses the source",
            depth=Depth.SECTION if besides else Depth.DETAIL,
        )


def _ladder(report: v1.Report) -> Table:
    chosen = report.recipe.rung if report.recipe else None

    def row(rung: v1.Rung) -> Row:
        best = rung.id == chosen
        title = Text(rung.title, "strong" if best else "")
        changes = Text("; ".join(rung.changes), detail=not best)
        return Row((Sign(rung.works), title, wording.climbed(rung), cost(rung), changes))

    return Table(
        (
            Column(""),
            Column("recipe"),
            Column("observed"),
            Column("step time", joined="; step time "),
            Column("side effects", joined="; "),
        ),
        tuple(map(row, report.ladder)),
        title="Recipes",
        remark=f"weakest first, each on {wording.climbing(report)}",
        depth=Depth.SECTION,
    )


def _matrix(report: v1.Report) -> Table:
    generators = list(dict.fromkeys(cell.generator for cell in report.matrix))[:20]
    cells = {(cell.component, cell.generator): cell.decides for cell in report.matrix}
    rows = [
        (Id(component), *(Sign(cells.get((component, name)), decides=True) for name in generators))
        for component in dict.fromkeys(cell.component for cell in report.matrix)
    ]
    return Table(
        (Column(""), *(Column(Id(name)) for name in generators)),
        tuple(map(Row, rows)),
        Head.PLAIN,
        title="Which generator decides what",
        remark="\u2713 decides it, \u00b7 does not, ? not observed",
        depth=Depth.SECTION,
    )


def _reach(report: v1.Report) -> Table:
    def row(level: v1.Level) -> Row:
        first = f", first at {describe_divergence(level.divergence)}" if level.divergence else ""
        observed = (
            Text(level.reason, "" if level.matches is not None else "quiet"),
            Text(first, "", True),
        )
        return Row((Sign(level.matches), level.title, observed))

    return Table(
        (Column(""), Column("level"), Column("observed")),
        tuple(map(row, report.reach)),
        title="Reach",
        remark=wording.farthest(report),
        depth=Depth.SECTION,
    )


def _placebos(report: v1.Report) -> Table:
    said = {True: "does nothing", False: "has an effect", None: "not decided"}

    def row(placebo: v1.Placebo) -> Row:
        yours = Text("; set in your environment" if placebo.set_in_environment else "", "notice")
        shown = Text(said[placebo.does_nothing], "notice" if placebo.does_nothing else "quiet")
        reason = Text(placebo.reason, "quiet", detail=placebo.does_nothing is not None)
        return Row((shown, (placebo.title, yours), reason))

    return Table(
        (Column(""), Column("setting"), Column("observed", joined="\n")),
        tuple(map(row, report.placebos)),
        title="Placebos",
        remark="settings that people rely on",
        depth=Depth.SECTION,
    )


def _first(divergence: v1.Divergence | None) -> str:
    return describe_divergence(divergence) if divergence is not None else ""


def _evidence(report: v1.Report) -> Table:
    """Return, per source, where runs first differ, what each condition's pairs showed, and which
    trials.
    """
    control = report.control.models if report.control else ()
    rows = [
        Row((f"control, {short(one.model)}", _first(one.divergence), wording.control_pairs(one)))
        for one in control
    ]
    for one in wording.ordered(report.verdicts):
        counts = Several(tuple(wording.evidence(one.counts, one.trial_numbers)))
        if one.trial_count or one.divergence is not None:
            rows.append(Row((Id(one.source), wording.first(one), counts)))
    return Table(
        (Column("source"), Column("first difference"), Column("pairs", joined="\n")),
        tuple(rows),
        title="Evidence",
        remark="first difference, differing pairs, trials",
        depth=Depth.DETAIL,
        priority=1,
    )


def _not_observed(report: v1.Report) -> Answer:
    sentence = f"It was not decided whether training is reproducible here: {report.reason}."
    return Answer("unsure", "NOT DECIDED", sentence)


def _with_recipe(recipe: v1.Recipe) -> Answer:
    if recipe.verified is False:
        sentence = f"A recipe worked trial by trial, but its printed lines do not: {recipe.reason}."
        return Answer("unsure", "NOT AS PRINTED", sentence)
    if recipe.verified is None:
        sentence = (
            f"A recipe worked trial by trial; its printed lines were not tried: {recipe.reason}."
        )
        return Answer("unsure", "NOT DECIDED", sentence)
    same = "Training is bitwise reproducible here with"
    if recipe.rung == "none":
        return Answer("good", "YES", f"{same} nothing pinned.")
    return Answer("good", "YES, ONCE PINNED", f"{same} these lines:")


def _without_recipe(report: v1.Report) -> Answer:
    assert report.control is not None
    models = number(len(report.control.models), "tiny model")
    once_pinned = f"With everything pinned, two training runs are bitwise identical on {models}"
    if report.ladder and all(rung.works is False for rung in report.ladder):
        sentence = f"{once_pinned}, but no known recipe works on all of them."
        return Answer("unsure", "PARTLY", sentence)
    early = report.interrupted or report.over_budget or report.exit_code == FAULT
    if report.ladder or early:
        sentence = f"{once_pinned}, but it was not decided which recipe is enough."
        return Answer("unsure", "NOT FINISHED", sentence)
    return Answer(
        "good", "YES, ONCE PINNED", f"{once_pinned}. This scan did not search for a recipe."
    )


def _differs_at(report: v1.Report) -> str:
    """Return where runs differ that should match: the first such place on each model, or of each
    broken source.
    """
    models = [
        (short(one.model), one.divergence)
        for one in (report.control.models if report.control else ())
    ]
    broken = [(one.source, one.divergence) for one in report.verdicts if one.verdict == "broken"]
    return "; ".join(
        f"{name}: {describe_divergence(found)}"
        for name, found in [*models, *broken][:20]
        if found is not None
    )


def _unpinned(report: v1.Report) -> str:
    none = next((rung for rung in report.ladder if rung.id == "none"), None)
    if none is None or none.works is not False:
        return ""
    differing = list(dict.fromkeys(count.model for count in none.counts if count.differing))
    return f"two runs differ on {len(differing)} of {number(len(none.counts), 'tiny model')}"


def _recipe(report: v1.Report) -> str:
    recipe = report.recipe
    if recipe is None:
        return ""
    said = {True: _verified(recipe), False: f"not verified: {recipe.reason}", None: "not verified"}[
        recipe.verified
    ]
    rung = next((tried for tried in report.ladder if tried.id == recipe.rung), None)
    takes = f"; step time {cost(rung)}" if rung and cost(rung) else ""
    return f"{recipe.title}; {said}{takes}"


def _verified(recipe: v1.Recipe) -> str:
    """Return the result of the proof; an older report has no bound."""
    if recipe.excluded_rate is None:
        return f"verified in {number(recipe.runs, 'fresh process', 'fresh processes')}"
    models = number(len(recipe.counts), "tiny model")
    return (
        f"verified: {number(recipe.runs // 2, 'pair')} of fresh processes match on {models} "
        f"(a rate above {recipe.excluded_rate:.0%} is excluded)"
    )


def _besides(report: v1.Report) -> str:
    """Return sources that the recipe does not pin, but that make runs differ if the code uses
    them.
    """
    if report.recipe is None:
        return ""
    names = [
        verdict.source
        for verdict in report.verdicts
        if verdict.verdict == "needs-pin" and not in_recipe(report, verdict)
    ]
    them = "it" if len(names) == 1 else "them"
    return f"if your code uses {them}: {listed(names, 20)}" if names else ""


def _keep_equal(report: v1.Report) -> str:
    names = [verdict.source for verdict in report.verdicts if verdict.verdict == "varies"]
    each = "this setting" if len(names) == 1 else "each of these settings"
    return f"{each} changes the result: {listed(names, 20)}" if names else ""


def _undecided(report: v1.Report) -> str:
    return listed([verdict.source for verdict in report.verdicts if verdict.verdict == "error"])


def _untried(report: v1.Report) -> str:
    depth = report.options.get("depth")
    return f"in --{depth}: {listed(report.untried_sources, 60)}" if report.untried_sources else ""


def _early(report: v1.Report) -> str:
    if report.interrupted:
        return "the scan was interrupted; the rest is not decided"
    if report.exit_code == FAULT:
        return f"{report.reason}; the rest is not decided"
    return "the budget ran out; the rest is not decided" if report.over_budget else ""
