"""The page of a run: verdict, where, why and the fix."""

from collections.abc import Iterator, Sequence

from detaudit.core.counting import evenly_chosen
from detaudit.core.sentences import differ, listed, share
from detaudit.registry import base
from detaudit.report.pages import figures, frame, wording
from detaudit.report.pages.page import (
    Answer,
    Block,
    Closing,
    Code,
    Column,
    Depth,
    Diff,
    Id,
    Line,
    Lines,
    Page,
    Paste,
    Row,
    Snippet,
    Table,
    Text,
)
from detaudit.report.pages.wording import (
    cost,
    describe_divergence,
    describe_pinpoint,
    is_beyond_noise,
    number,
    spread,
)
from detaudit.report.schema import v1

#: What decorators call the function that they put around another one.
_DECORATORS = ("wrapper", "wrapped", "inner", "decorated")
MOST_TIMES = 3  # that are named
_MOST_STEPS = 12  # of the growth that are written out
_AROUND = 30  # layers of a replayed step that are shown, before and after the first that differs


#: What a report gives as the reason if runs differ; the headline has said so already.
_RUNS_DIFFER = "two runs of the same script differ"
_FRESH_FOLDER = "fresh-folder"  # the pin of what an earlier run left


def page(report: v1.RunReport) -> Page:
    """Return the whole page."""
    searched = report.search.trial_count
    search = f"; {number(searched, 'run')} for the search" if searched else ""
    work = f"{wording.work(report)}{search}"
    closing = Closing((work, wording.decided(report)), "-v shows the evidence")
    title = f"detaudit run: {report.program}"
    return frame.page_of(report, title, _blocks(report), closing, _next_steps(report))


def _next_steps(report: v1.RunReport) -> Iterator[Block]:
    """Return what a reader should do next."""
    todo = what_to_do(report)
    if todo:
        yield Lines((Line("What to do", todo),))


def what_to_do(report: v1.RunReport) -> str:
    """Return the next step of a reader; empty if there is none."""
    if report.reproducible:
        resting = [one.title for one in report.depends_on]
        return f"keep fixed, because the result depends on it: {listed(resting)}" if resting else ""
    if report.fix is not None and report.fix.verified:
        if report.options.get("fix"):
            return "run it again: the fix was applied" + (
                ", and the variables above must be set before every run"
                if report.fix.environment
                else ""
            )
        if report.program.endswith(".ipynb"):
            return (
                f"make the change above in the notebook ({report.program}[1] is the first cell that "
                f"contains code), or let detaudit run --fix do it"
            )
        if report.options.get("write_fix"):
            name = report.options["write_fix"]
            return f"apply the fix in the script's folder: patch -p1 < {name}"
        return (
            "save the fix above as fix.diff (--write-fix fix.diff does it for you), and apply it "
            "with patch -p1 < fix.diff"
        )
    if report.causes:
        named = [cause.source for cause in report.causes]
        if [cause.pin for cause in report.causes] == [_FRESH_FOLDER]:
            return f"see No fix; detaudit explain {named[0]} says more"
        source = named[0] if len(named) == 1 else f"ID ({', '.join(named)})"
        if any(cause.sites for cause in report.causes):
            return (
                f"change the lines listed under Why, which use the source that makes runs differ; "
                f"detaudit explain {source} says how to pin it"
            )
        return f"pin the source listed under Why: detaudit explain {source} says how"
    if report.reproducible is False and not report.interrupted:
        if report.over_budget:
            return "give a larger --budget, to find the cause and a fix"
        if not report.search.trial_count:
            return "leave out --no-search, to find the cause and a fix"
        return wording.FILE_A_BUG
    return ""


def _blocks(report: v1.RunReport) -> Iterator[Block]:
    yield answer(report)
    lines = [_why(cause) for cause in report.causes]
    lines += [Line(label, value) for label, value in details(report)]
    lines += frame.context_lines(report)
    if lines:
        yield Lines(tuple(lines))
    if report.fix is not None:
        remark = describe_fix(report.fix, _noise(report))
        yield Diff(report.fix.diff, report.fix.environment, title="Fix", remark=remark)
    if report.cost is not None:
        for pin, one in report.cost.fixes.items():
            snippet = Snippet(one.lines, one.environment)
            yield Paste((snippet,), title="Faster", remark=applied(pin, one))
    yield from _figures(report)
    if report.traceback:
        depth = Depth.OPEN if report.reproducible is None else Depth.RECORD
        title = "" if depth is Depth.OPEN else "The last lines that the script wrote"
        yield Code(tuple(report.traceback.splitlines()[-40:]), title=title, depth=depth)
    yield Lines(
        tuple(Line(label, value, "quiet") for label, value in evidence(report)),
        title="Evidence",
        depth=Depth.DETAIL,
        priority=1,
    )
    if report.pinpoint is not None and report.pinpoint.layers:
        yield layers(report.pinpoint)


def answer(report: v1.RunReport) -> Answer:
    """Is the script reproducible?"""
    repeats = report.repeats
    runs = f"of {report.program}"
    if report.reproducible and repeats.differing and report.unrecorded is not None:
        same = f"{number(report.unrecorded.runs, 'unrecorded run')} {runs} are bitwise identical"
        sentence = f"{same}{extent(report)}{bound(report.unrecorded)}; only recorded runs differ."
        return Answer("good", "REPRODUCIBLE", sentence)
    if report.reproducible:
        same = (
            f"{number(repeats.runs, 'recorded run')} {runs} are bitwise identical{extent(report)}"
        )
        if report.unrecorded is not None:
            same = f"{same}, and so are {number(report.unrecorded.runs, 'unrecorded run')}"
        same = f"{same}{bound(repeats)}"
        if report.judged_by == "end":
            same = (
                f"{same}, judged by its weights at exit, its standard output and the files that it saves: several "
                f"threads train at the same time, so its steps have no order"
            )
        elif report.judged_by != "training":
            libraries = "what it fits with scikit-learn, LightGBM or XGBoost, "
            models = libraries if report.judged_by == "fits" else ""
            same = (
                f"{same}, judged by {models}its standard output and the files that it saves: no training step was "
                f"observed"
            )
        return Answer("good", "REPRODUCIBLE", f"{same}.")
    if report.reproducible is None:
        return Answer("unsure", "NOT DECIDED", f"{report.program}: {report.reason}.")
    return Answer("bad", "NOT REPRODUCIBLE", _differ(report))


def _differ(report: v1.RunReport) -> str:
    """Return how many pairs of runs differ, and what is known about it."""
    repeats = report.repeats
    if not repeats.differing:
        return f"{report.program}: {report.reason}."
    pairs = f"{_differing_pairs(repeats)} of {report.program} {_verb(repeats)}{extent(report)}"
    if [cause.pin for cause in report.causes] == [_FRESH_FOLDER]:
        found = f"{repeats.differing} of {number(repeats.differing + repeats.matching, 'run')}"
        pairs = (
            f"Runs of {report.program} in fresh folders match, but {found} that found the files of an earlier run "
            f"differ from them{extent(report)}"
        )
    if report.quantity is not None:
        pairs = f"{pairs} ({describe_quantity(report.quantity)})"
    if report.fix is not None and report.fix.verified:
        return f"{pairs}. With the fix they are bitwise identical."
    reason = report.reason.removeprefix(_RUNS_DIFFER).lstrip(":; ")
    if report.causes:
        pairs = f"{pairs}: {reason}" if reason else pairs
        return f"{pairs}. The cause is known; there is no verified fix."
    more = reason or report.no_fix_reason
    return f"{pairs}; {more}." if more else f"{pairs}. No cause was found."


def _differing_pairs(repeats: v1.Repeats) -> str:
    if repeats.matching:
        pairs = number(repeats.differing + repeats.matching, "pair")
        return f"{repeats.differing} of {pairs} of runs"
    few = {1: "Two runs", 2: "Both pairs of runs"}
    return few.get(repeats.differing, f"All {repeats.differing} pairs of runs")


def _verb(repeats: v1.Repeats) -> str:
    """``1 of 3 pairs of runs differs``, ``two runs differ``."""
    return differ(repeats.differing) if repeats.matching else "differ"


def _why(cause: v1.Cause) -> Line:
    sites = tuple(describe_site(place, cause.source) for place in cause.sites)
    return Line(
        "Why", (Id(cause.source, "notice"), Text(f": {describe_cause(cause)}")), under=sites
    )


def _figures(report: v1.RunReport) -> Iterator[Block]:
    if report.step_grid is not None:
        runs = "recorded runs" if report.reproducible else "runs"
        yield from figures.step_grid(report.step_grid, runs)
    yield from figures.growth(report.growth)
    if report.cost is not None:
        yield from _costs(report.cost)


def _costs(costs: v1.Costs) -> Iterator[Block]:
    timed = [("the unchanged script", costs.noise)]
    timed += [(_pins_of(row), row) for row in costs.each]
    if len(costs.combined.pins) > 1:
        timed.append((f"all {len(costs.combined.pins)} required pins", costs.combined))
    remark = f"run time divided by that of the unchanged script, in {number(costs.rounds, 'round')}"
    yield from figures.costs(timed, "Cost of the pins", remark, costs.noise.cost_range)


def layers(pinpoint: v1.Pinpoint) -> Table:
    """Return the replayed step, layer by layer: those that match, the first that differs, and those
    after it.
    """
    layers = wording.notable_layers(pinpoint)
    first = next((place for place, layer in enumerate(layers) if layer.distinct_outputs > 1), 0)
    rows = [
        Row(
            (
                layer.stage,
                layer.name,
                str(layer.operations),
                wording.describe_layer(layer),
            )
        )
        for layer in layers[max(0, first - _AROUND) : first + _AROUND]
    ]
    titles = ("stage", "layer or variable", "operations", "in all replays")
    return Table(
        tuple(map(Column, titles)),
        tuple(rows),
        title="The replayed step, layer by layer",
        depth=Depth.RECORD,
        priority=1,
    )


def extent(report: v1.RunReport) -> str:
    """Return how many steps the report covers, if runs were ended early."""
    return f" in their first {number(report.steps, 'step')}" if report.steps else ""


def bound(repeats: v1.Repeats) -> str:
    return (
        f" (a rate of differing pairs above {repeats.excluded_rate:.0%} is excluded)"
        if repeats.excluded_rate is not None
        else ""
    )


def details(report: v1.RunReport) -> Iterator[tuple[str, str]]:
    """Return the labelled lines below the answer."""
    if report.first_divergence is not None:
        yield "Where", describe_divergence(report.first_divergence) + drift(report)
        if report.origin:
            yield "Origin", report.origin
    if report.pinpoint is not None:
        layer = report.pinpoint.origin and report.pinpoint.operation is None
        yield "Layer" if layer else "Operation", describe_pinpoint(report.pinpoint)
    resting = [one.title for one in report.depends_on]
    if report.reproducible:
        free = [one.title for one in report.unaffected_by]
        if resting:
            yield "Depends on", f"the result changes with {listed(resting)}"
        if free:
            yield "Unaffected by", listed(free)
        unsure = [f"{one.title} ({one.reason})" for one in report.unresolved_settings]
        if unsure:
            yield "Unresolved", listed(unsure)
        unlike = describe_outputs(
            [one for one in report.outputs if not one.matches and one.kind != "saved"]
        )
        if unlike:
            what = "training" if report.judged_by == "training" else "rest"
            yield "Not judged", f"{listed(unlike)}; the {what} matches"
    yield from folder(report)
    if report.observer.bits_unchanged is False:
        yield "Recording", report.observer.reason
    for one in report.warnings:
        yield "Note", one
    if len(report.causes) > 1 and all(one.necessary for one in report.causes):
        any_pin = (
            "either pin" if len(report.causes) == 2 else f"any one of the {len(report.causes)} pins"
        )
        yield "All required", f"runs differ if {any_pin} is removed"
    if report.unresolved_pins:
        yield "Unresolved", listed(report.unresolved_pins)
    if report.search.incompatible_pins:
        excluded = report.search.incompatible_pins
        pins = "this pin" if len(excluded) == 1 else "each of these pins"
        yield "Excluded", f"the script fails with {pins}: {listed(excluded)}"
    if report.causes and report.fix is None and report.no_fix_reason:
        yield "No fix", report.no_fix_reason
    yield from costs(report)


#: Return what happened to the files that runs wrote below the program's folder.
KEPT_FROM = {
    "": "the files were kept",
    "overlay": "the runs wrote to an overlay",
    "copy": "the runs wrote to copies",
    "in-place": "the files were restored, except in .git and in virtual environments",
}


def folder(report: v1.RunReport) -> Iterator[tuple[str, str]]:
    """Return what runs wrote, and whether the user's files are as they were."""
    isolation = report.isolation
    if report.changed_files:
        whole = isolation.kind != "in-place" and not isolation.not_restored
        restored = ", and the folder is unchanged" if whole else ""
        yield (
            "Writes",
            f"{listed(report.changed_files, 5)} in the script's folder; {KEPT_FROM[isolation.kind]}{restored}",
        )
    if isolation.not_restored:
        yield (
            "Changed",
            f"{listed(isolation.not_restored, 5)} in the script's folder, during the audit",
        )
    if isolation.elsewhere:
        yield (
            "Also writes",
            f"{listed(isolation.elsewhere, 5)}, outside the script's folder and not protected",
        )
    if isolation.left_out:
        yield "Not copied", f"{listed(isolation.left_out, 5)}: not visible to the runs"


def describe_quantity(quantity: v1.Quantity) -> str:
    """Return the two values with as many digits as distinguish them, at least three."""
    pairs = (
        (f"{quantity.first:.{digits}g}", f"{quantity.second:.{digits}g}") for digits in range(3, 18)
    )
    first, second = next(
        (pair for pair in pairs if pair[0] != pair[1]), (str(quantity.first), str(quantity.second))
    )
    return f"{quantity.name} {first} in one run, {second} in another"


#: Names and results beside the training that differ; ``{}`` is the name.
BESIDE = {
    "metric": 'the metric "{}" differs',
    "data": "the {} differ",
    "name": "names differ ({})",
    "generator": "the state of {} at the end differs",
    "time": "{} is a time or an id",
    "other": "{} differs, but not in numbers that can be read",
}


def describe_outputs(outputs: Sequence[v1.Output]) -> list[str]:
    """Return what differs from run to run although the training does not; of many times, the first
    ones.
    """
    found = [describe_output(one) for one in outputs if one.kind != "time"]
    times = [one.name for one in outputs if one.kind == "time"]
    if times:
        more = [f"{len(times) - MOST_TIMES} more"] if len(times) > MOST_TIMES else []
        found.append(f"times and ids ({'; '.join([*times[:MOST_TIMES], *more])})")
    return found


def describe_output(output: v1.Output) -> str:
    """Return what differs from run to run although the training does not."""
    if output.kind == "printed":
        where = f" from line {output.line} on" if output.line is not None else ""
        return f"the printed output differs{where}"
    return (
        BESIDE[output.kind].format(output.name)
        if output.kind in BESIDE
        else f"{output.name} was saved with different contents"
    )


def drift(report: v1.RunReport) -> str:
    """Return how far apart the runs end, if bytes were kept."""
    if not report.growth:
        return ""
    last = report.growth[-1]
    gap = f", by up to {last.max_abs:.2g}" if last.max_abs is not None else ""
    return f"; after step {last.step}, {_weights(last)}{gap}"


def _weights(growth: v1.Growth) -> str:
    return share(growth.differing_elements, growth.total, "weight")


def describe_cause(cause: v1.Cause) -> str:
    shown = {
        True: "runs differ if only this pin is removed",
        False: "not required after all",
        None: "whether its pin is required was not tested",
    }
    note = f"; {cause.note}" if cause.note else ""
    return f"{cause.title}; {shown[cause.necessary]}{note}"


def _called(stack: Sequence[str]) -> str:
    """Return the function that the user's line has called, of this stack, innermost first."""
    names = [frame.rpartition(" in ")[2] for frame in reversed(stack)] or ["a library"]
    return next((name for name in names if name not in _DECORATORS), names[0])


def describe_site(site: v1.Site, source: str) -> str:
    through = "" if site.in_user_code or not site.stack else f", through {_called(site.stack)}"
    function = f" in {site.function}" if site.function and site.function != "<module>" else ""
    if not site.draws:
        return f"{site.file}:{site.line}, the call of {_called(site.stack)} that the fix changes"
    known = base.script_sources().get(source)
    what = known.use if known is not None else "draw"
    return f"{site.file}:{site.line}{function}, {number(site.draws, what)}{through}"


REDACTED = (
    "Private text is masked here, so this diff does not apply; --write-fix FILE writes it unmasked."
)


def describe_fix(fix: v1.Change, noise: tuple[float, float] | None = None) -> str:
    said = f"verified: {fix.reason}" if fix.verified else f"not verified: {fix.reason}"
    if fix.cost is not None:
        said = f"{said}; run time {cost(fix, noise)}"
    return f"{said}. {REDACTED}" if fix.redacted else said


def _noise(report: v1.RunReport) -> tuple[float, float] | None:
    """Return the ratios of the script to itself, if it was timed."""
    return report.cost.noise.cost_range if report.cost is not None else None


def costs(report: v1.RunReport) -> Iterator[tuple[str, str]]:
    """Return the cost of the pins, first those beyond noise; and the set that is faster than the
    first one.
    """
    one = report.cost
    if one is None:
        if report.no_cost_reason:
            yield "Cost", f"not measured: {report.no_cost_reason}"
        return
    noise = one.noise.cost_range
    clear = [row for row in one.each if is_beyond_noise(row.cost_range, noise)]
    parts = [
        f"{_pins_of(row)}: {cost(row)}" for row in sorted(clear, key=lambda row: -(row.cost or 0))
    ]
    quiet = [row for row in one.each if row.cost_range is not None and row not in clear]
    if quiet:
        parts.append(
            f"{listed([_pins_of(row) for row in quiet], 20)}: within noise"
            f"{spread((min(row.cost_range[0] for row in quiet), max(row.cost_range[1] for row in quiet)))}"
        )
    if len(one.combined.pins) > 1 and one.combined.cost is not None:
        together = cost(one.combined, noise)
        parts.append(f"all {len(one.combined.pins)} required pins together: {together}")
    yield "Cost", "; ".join(parts) or "not measured: no timed run completed"
    if one.faster_set is not None:
        works = "also works" if len(one.faster_set.pins) == 1 else "also work"
        yield (
            "Faster",
            (
                f"{listed(one.faster_set.pins)} {works}, at {cost(one.faster_set)} the time of "
                f"{listed(one.faster_set.base)}"
            ),
        )


def applied(pin: str, fix: v1.Fix) -> str:
    note = f" ({fix.note})" if fix.note else ""
    return f"lines that pin {pin}{note}:" if fix.lines or fix.environment else f"{pin}{note}"


def _pins_of(row: v1.Cost) -> str:
    added = listed([pin for pin in row.pins if pin not in row.base])
    return f"{added} (with {listed(row.base)})" if row.base else added


def evidence(report: v1.RunReport) -> Iterator[tuple[str, str]]:
    for label, one in (
        ("recorded", report.repeats),
        ("unrecorded", report.unrecorded),
        ("all pinned", report.pinned),
    ):
        if one is not None:
            pairs = number(one.matching + one.differing, "pair")
            yield (
                label,
                f"{number(one.runs, 'run')}, {pairs}: {one.matching} matching, {one.differing} differing",
            )
    yield "recording", report.observer.reason
    for one in report.outputs:
        same = f"{one.name}: identical in all runs"
        yield one.kind, same if one.matches else describe_output(one)
    for place, tried in enumerate(report.search.questions, 1):
        yield f"search {place}", tried
    if report.cost is not None:
        noise = spread(report.cost.noise.cost_range).strip(" ()")
        yield "noise", f"the unchanged script against itself: {noise or 'a run did not complete'}"
        for row in report.cost.each:
            timed = cost(row, _noise(report)) or "a run did not complete"
            yield f"cost of {_pins_of(row)}", timed
        for line in report.cost.faster_sets_tried:
            yield "a faster set", line
    if report.search.unexercised_pins:
        unused = report.search.unexercised_pins
        pins = "it pins" if len(unused) == 1 else "they pin"
        yield "not tried", f"{listed(unused, 20)}, because no run used what {pins}"
    for one in evenly_chosen(report.growth, _MOST_STEPS):
        far = f", by up to {number(one.ulps_max, 'ULP')}" if one.ulps_max is not None else ""
        yield f"step {one.step}", f"{_weights(one)}{far}"
