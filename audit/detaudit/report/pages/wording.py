"""The sentences that pages and formats share, from the document alone.

They are plain text with the document's own strings in them: each format escapes them in its own
way.
"""

from collections.abc import Iterable, Sequence
from math import isclose
from typing import Any

from detaudit_probes.backends import KNOWN
from detaudit_probes.declare import KERAS_2_BESIDE
from detaudit_probes.packages import PACKAGES

from detaudit.core.counting import excluded_rate
from detaudit.core.sentences import listed, number, share
from detaudit.report.schema import v1

#: The kind of a step of eager code, which cannot be replayed.
EAGER_LOOP = "eager loop"
FILE_A_BUG = "file a bug, and attach the report that --markdown report.md writes"

#: Verdicts in the order in which a reader needs them.
ORDER = ("broken", "varies", "error", "needs-pin", "reproducible", "skipped")


def in_recipe(report: v1.Report, verdict: v1.Verdict) -> bool:
    """Whether the recipe pins this source."""
    return report.recipe is not None and verdict.source in report.recipe.pinned_sources


def ordered(verdicts: Iterable[v1.Verdict]) -> list[v1.Verdict]:
    """Return the verdicts that need the reader first; within one verdict as declared."""
    return sorted(verdicts, key=lambda verdict: ORDER.index(verdict.verdict))


def describe_verdict(verdict: v1.Verdict, unlike: str = "\u2260") -> str:
    """Return what the experiment showed, as one sentence without a full stop; ``unlike`` is the
    sign between settings.
    """
    if verdict.verdict == "needs-pin":
        return _arms(verdict) or verdict.reason
    if verdict.verdict == "reproducible":
        return _unobserved(verdict) or verdict.reason
    if verdict.verdict != "varies" or not any(len(one.groups) > 1 for one in verdict.settings):
        return verdict.reason
    return "; ".join(_grouped(verdict.settings, unlike))


def _arms(verdict: v1.Verdict) -> str:
    """Return the unpinned and the pinned pairs, on the model that the verdict is about; empty if it
    is about settings.
    """
    unpinned = next(
        (count for count in verdict.counts if count.name == "unpinned" and count.differing), None
    )
    pinned = next(
        (
            count
            for count in verdict.counts
            if count.name == f"pinned by {verdict.pin}"
            and unpinned is not None
            and count.model == unpinned.model
        ),
        None,
    )
    if unpinned is None or pinned is None:
        return ""
    shown = share(unpinned.differing, unpinned.matching + unpinned.differing)
    return f"{shown}; {_share(pinned)} when pinned"


def _share(count: v1.Count | v1.Controlled) -> str:
    return f"{count.differing} of {count.matching + count.differing}"


def _unobserved(verdict: v1.Verdict) -> str:
    """Return how many pairs matched, and the rate that this excludes; empty if the counts do not
    give this rate.
    """
    if verdict.excluded_rate is None:
        return ""
    matching = next(
        (
            count.matching
            for count in verdict.counts
            if count.matching and isclose(excluded_rate(count.matching), verdict.excluded_rate)
        ),
        None,
    )
    if matching is None:
        return ""
    start, each = ("all settings match; ", " each") if verdict.settings else ("", "")
    pairs = f"{number(matching, 'pair')}{each}"
    return f"{start}no difference in {pairs} (a rate above {verdict.excluded_rate:.0%} is excluded)"


def _grouped(settings: Sequence[v1.Settings], unlike: str) -> list[str]:
    """Return ``mlp, cnn: 1 thread = 2 threads != 4 threads``: models with the same result are
    listed once.
    """
    models: dict[tuple[tuple[str, ...], ...], list[str]] = {}
    for setting in settings:
        if setting.groups:
            models.setdefault(setting.groups, []).append(short(setting.model))
    differing = [
        f"{', '.join(names)}: {f' {unlike} '.join(' = '.join(group) for group in groups)}"
        for groups, names in models.items()
        if len(groups) > 1
    ]
    matching = [name for groups, names in models.items() if len(groups) == 1 for name in names]
    return [*differing, f"all match on {', '.join(matching)}"] if matching else differing


def place_of(divergence: v1.Divergence) -> str:
    """Return where two runs first differ."""
    step = "" if divergence.step is None else f", step {divergence.step}"
    return f"{divergence.stage}{step}, {divergence.name}"


def describe_divergence(divergence: v1.Divergence) -> str:
    """Return where two runs first differ, and how far."""
    place = place_of(divergence)
    if divergence.kind != "bits":
        return f"{place} ({'only one run has it' if divergence.kind == 'missing' else 'different dtype or shape'})"
    if divergence.differing_elements is None:
        return place
    elements = divergence.differing_elements
    shown = share(elements, divergence.total or elements, "element")
    if divergence.ulps_max is None:
        return f"{place} ({shown})"
    by = "by" if elements == 1 else "by up to"
    return f"{place} ({shown}, {by} {number(divergence.ulps_max, 'ULP')})"


def first(verdict: v1.Verdict) -> str:
    """Return where runs first differ, and by which operation if that was found."""
    pinpoint = verdict.pinpoint
    by = (
        f": {describe_pinpoint(pinpoint)}"
        if pinpoint is not None and pinpoint.operation is not None
        else ""
    )
    return (
        f"{describe_divergence(verdict.divergence)}{by}" if verdict.divergence is not None else ""
    )


_ORIGIN = {
    "kernel": "Replayed in one process from equal inputs, it gives different results",
    "state": "From equal inputs, it gives different results in another process",
    "python": "Python code, not an operation, gave it different inputs",
    "input": "Its inputs already differ between two processes",
    "other": "From here on, two processes execute different operations",
}


def describe_pinpoint(pinpoint: v1.Pinpoint) -> str:
    """Return the operation at which replays of the step differ, or only its layer, and what was
    observed.
    """
    if pinpoint.failed:
        return f"the step could not be replayed ({pinpoint.kind}): {pinpoint.failed}"
    if not pinpoint.origin and pinpoint.recorded is not None and pinpoint.recorded.distinct > 1:
        return (
            f"replays of the step ({pinpoint.kind}) end in {pinpoint.recorded.distinct} distinct "
            f"results; the operation that causes them was not found"
        )
    if not pinpoint.origin:
        return _no_operation(pinpoint)
    count = pinpoint.operation.replays if pinpoint.operation is not None else pinpoint.recorded
    # Observed in one process
    alone = pinpoint.origin in ("kernel", "python") and count is not None and count.replays > 2
    times = (
        f" ({count.distinct} distinct in {number(count.replays, 'replay')})"
        if alone and count is not None
        else ""
    )
    what = f"{pinpoint.operation.name} in the" if pinpoint.operation is not None else "the"
    place = f" of {pinpoint.layer}" if pinpoint.layer else ""
    line = f", called at {pinpoint.line}" if pinpoint.line else ""
    stage = "update" if pinpoint.stage == "update" else f"{pinpoint.stage} pass"
    return f"{what} {stage}{place}{line}. {_ORIGIN[pinpoint.origin]}{times}." + (
        f" {_eager_and_compiled(pinpoint)}" if alone else ""
    )


def _no_operation(pinpoint: v1.Pinpoint) -> str:
    """Return that replays of the step match, and how rarely an operation may still differ."""
    matching = f"in all {pinpoint.operations:,} operations"
    if pinpoint.kind == EAGER_LOOP:
        return f"the step, observed once in each process, matches {matching}"
    counted, bound = "replays", ""
    if pinpoint.recorded is not None:
        counted = number(pinpoint.recorded.replays, "replay")
        rate = excluded_rate(pinpoint.recorded.replays)
        bound = (
            f"; an operation that differs in more than {rate:.0%} of replays would have been found"
        )
    differs = pinpoint.replay_matches_step is False
    what = "match each other, but differ from the step itself" if differs else f"match, {matching}"
    return f"{counted} of the step ({pinpoint.kind}) {what}{bound}"


def notable_layers(pinpoint: v1.Pinpoint) -> list[v1.LayerReplay]:
    """Return the layers that are worth a row: those with a name, and the first that differs."""
    first = next(
        (layer for layer in pinpoint.layers if layer.distinct_inputs == 1 < layer.distinct_outputs),
        None,
    )
    return [layer for layer in pinpoint.layers if layer.name or layer is first]


def describe_layer(layer: v1.LayerReplay) -> str:
    """Return what the replays of one layer's operations showed."""
    if layer.distinct_outputs == 1:
        return "matches"
    if layer.distinct_inputs == 1:
        return f"differs here: {layer.distinct_outputs} distinct results from equal inputs"
    return f"its inputs already differ: {layer.distinct_inputs} distinct"


def _eager_and_compiled(pinpoint: v1.Pinpoint) -> str:
    """Return whether the compiled step shows what was observed eagerly, with every operation
    recorded.
    """
    unchanged = {
        True: ", where recording does not change the bits",
        False: ", where recording changes the bits",
        None: "",
    }
    eager = unchanged[pinpoint.recorded_matches_eager]
    observed = f"This was observed in eager execution{eager}."
    if pinpoint.compiled is None:
        return observed
    compiled = pinpoint.compiled
    count = f"{compiled.distinct} distinct in {number(compiled.replays, 'replay')}"
    outcome = f"differs too ({count})" if compiled.distinct > 1 else f"matches ({count})"
    bits = {
        True: ", on the bits of the eager step",
        False: ", on other bits than the eager step",
        None: "",
    }[pinpoint.eager_matches_compiled]
    return f"{observed} The compiled step as a whole {outcome}{bits}."


def evidence(counts: Iterable[v1.Count], numbers: Sequence[int]) -> list[str]:
    """Return what each model's pairs showed, a model per line, and the trials behind it."""
    models: dict[str, list[str]] = {}
    for count in counts:
        models.setdefault(short(count.model), []).append(f"{count.name} {_share(count)}")
    found = [f"{model}, differing pairs: {', '.join(said)}" for model, said in models.items()]
    return [*found, f"trials {spans(numbers)}"] if numbers else found


def of_control(model: v1.Controlled) -> str:
    """Return what the pairs of one model showed with everything pinned, and the first
    divergence.
    """
    pairs = control_pairs(model)
    return f"{describe_divergence(model.divergence)}; {pairs}" if model.divergence else pairs


def control_pairs(model: v1.Controlled) -> str:
    """Return what the pairs of one model showed with everything pinned."""
    reasons = dict.fromkeys([*model.problems, *([model.unavailable] if model.unavailable else [])])
    return "; ".join(
        [
            share(model.differing, model.matching + model.differing),
            *reasons,
            f"trials {spans(model.trial_numbers)}",
        ]
    )


def fact_lines(facts: Any, name: str = "") -> list[str]:
    """Return facts as sorted lines, ``processor.brand: Xeon``; a list takes one line."""
    if isinstance(facts, dict) and facts:
        inner = sorted(facts.items())
        return [
            line
            for key, value in inner
            for line in fact_lines(value, f"{name}.{key}" if name else key)
        ]
    if isinstance(facts, list):
        return [f"{name}: {', '.join(str(one) for one in facts)}"]
    return [f"{name}: {'not known' if facts is None or facts == {} else facts}"]


def climbing(report: v1.Report) -> str:
    """Return on how many models the recipes were tried."""
    return number(len({one.model for rung in report.ladder for one in rung.counts}), "tiny model")


def climbed(rung: v1.Rung) -> str:
    """Return what a recipe's pairs showed, over all models: ``1 of 6 pairs differs, on text``."""
    if rung.works is None:
        return rung.reason
    pairs = sum(count.matching + count.differing for count in rung.counts)
    models = [short(count.model) for count in rung.counts if count.differing]
    shown = share(sum(count.differing for count in rung.counts), pairs)
    if models:
        where = "every model" if len(models) == len(rung.counts) else listed(models)
        return f"{shown}, on {where}"
    # Why it does not work although all pairs match
    return f"{shown}; {rung.reason}" if rung.works is False else shown


#: The noise, if it was not measured.
_EXACT = (1.0, 1.0)


def is_beyond_noise(
    bounds: tuple[float, float] | None, noise: tuple[float, float] | None = None
) -> bool:
    """Whether ratios between these bounds are all beyond 1, and beyond those of ``noise``: of what
    was timed against itself.
    """
    least, greatest = noise or _EXACT
    if bounds is None:
        return False
    return bounds[0] > max(1.0, greatest) or bounds[1] < min(1.0, least)


def cost(timed: v1.Rung | v1.Change | v1.Cost, noise: tuple[float, float] | None = None) -> str:
    """Return the cost as a ratio, ``1.31x (1.25x to 1.42x)``, if it is beyond noise."""
    if timed.cost is None:
        return ""
    bounds = spread(timed.cost_range)
    if not is_beyond_noise(timed.cost_range, noise):
        return f"within noise{bounds}"
    return f"{timed.cost:.2f}x{bounds}"


def spread(bounds: tuple[float, float] | None) -> str:
    return f" ({bounds[0]:.2f}x to {bounds[1]:.2f}x)" if bounds else ""


def farthest(report: v1.Report) -> str:
    """Return how far equal bits extend: the last level before the first that differs."""
    furthest = ""
    for level in report.reach:
        if level.matches is False:
            return (
                f"bitwise identical up to {furthest}"
                if furthest
                else "different at the first level"
            )
        furthest = level.title if level.matches else furthest
    return f"bitwise identical at every level tried, up to {furthest}" if furthest else ""


def context(report: v1.Document) -> str:
    """Return the environment and the machine in one line, from the existing facts."""
    packages = _at(report.environment, "packages")
    versions = [
        f"{title} {version}"
        for title, version in (
            ("Python", _at(report.environment, "python")),
            *_libraries(report, packages),
        )
        if isinstance(version, str)
    ]
    brand, cores = (
        _at(report.machine, "processor", "brand"),
        _at(report.machine, "cores", "available"),
    )
    hardware = [brand] if isinstance(brand, str) else []
    hardware += [number(cores, "core")] if isinstance(cores, int) else []
    return ", ".join([*versions, *hardware])


def _libraries(report: v1.Document, packages: Any) -> list[tuple[str, Any]]:
    """Return the frameworks and libraries that decide a result, with their versions: of a program,
    those that it has imported.
    """
    imported = _at(report.environment, "imported")
    framework, keras = _backend(report, packages), _keras(report, packages)
    if not isinstance(imported, list):
        return [framework, keras]
    found = [
        (backend.title, _at(packages, name))
        for backend in KNOWN.values()
        for name in backend.distributions
        if name in imported
    ]
    if {"keras", "tf-keras"} & {*imported}:
        found.append(keras)
    found += [
        (package.title, _at(packages, package.distribution))
        for package in PACKAGES
        if package.title and package.distribution in imported
    ]
    if not found and "numpy" in imported:
        found.append(("NumPy", _at(packages, "numpy")))
    return list(dict.fromkeys(found))


def _backend(report: v1.Document, packages: Any) -> tuple[str, Any]:
    """Return the framework under Keras, with its version if it is known."""
    name = _at(report.environment, "framework", "backend")
    backend = KNOWN.get(name if isinstance(name, str) else "", next(iter(KNOWN.values())))
    versions = (_at(packages, distribution) for distribution in backend.distributions)
    return backend.title, next((version for version in versions if version), None)


def _keras(report: v1.Document, packages: Any) -> tuple[str, Any]:
    """Return the audited Keras: ``tf_keras`` may be installed beside another one."""
    version = _at(packages, "keras")
    beside = _at(report.environment, "framework", "backend") == KERAS_2_BESIDE and str(
        version
    ).startswith("3.")
    return (KERAS_2_BESIDE, _at(packages, "tf-keras")) if beside else ("Keras", version)


def _at(facts: Any, *keys: str) -> Any:
    for key in keys:
        facts = facts.get(key) if isinstance(facts, dict) else None
    return facts


def decided(report: v1.Document) -> str:
    """Return the exit code, and what decided it."""
    return f"exit code {report.exit_code} ({report.reason})"


def work(report: v1.Document) -> str:
    """Return how much was done."""
    done = sum(one.outcome == "completed" for one in report.trials)
    undone = f" ({len(report.trials) - done} did not complete)" if done < len(report.trials) else ""
    return f"{number(len(report.trials), 'trial')}{undone} in {report.header.seconds:,.0f} s"


def spans(numbers: Sequence[int]) -> str:
    """Return ``1-4, 7``."""
    ranges: list[list[int]] = []
    for trial in sorted(set(numbers)):
        if ranges and trial == ranges[-1][1] + 1:
            ranges[-1][1] = trial
        else:
            ranges.append([trial, trial])
    return listed([str(first) if first == last else f"{first}-{last}" for first, last in ranges])


def short(model: str) -> str:
    return model.removeprefix("source:")
