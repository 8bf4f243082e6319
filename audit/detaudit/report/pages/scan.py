"""The answer that a reader came for, from the document alone: it says no more than was seen."""

from dataclasses import dataclass

from detaudit.report.pages.wording import cost, in_recipe, listed, number, short, where
from detaudit.report.schema import v1

GOOD, BAD, UNSURE = "good", "bad", "unsure"


@dataclass(frozen=True)
class Answer:
    """What a reader came for: ``verdict`` in capitals, one sentence, and labelled lines below
    it.
    """

    tone: str
    verdict: str
    sentence: str
    details: tuple[tuple[str, str], ...]


def answer(report: v1.Report) -> Answer:
    """Does training here give the same bits twice, what must be pinned, and which settings change
    the answer?
    """
    tone, verdict, sentence = _same_bits(report)
    return Answer(
        tone,
        verdict,
        sentence,
        tuple(
            (label, text)
            for label, text in (
                ("Parts at", _parts_at(report)),
                ("Recipe", _recipe(report)),
                ("Unpinned", _unpinned(report)),
                ("Pin too", _besides(report)),
                ("Keep equal", _keep_equal(report)),
                ("Not decided", _undecided(report)),
                ("Not tried", _untried(report)),
                ("Ended early", _early(report)),
            )
            if text
        ),
    )


def _same_bits(report: v1.Report) -> tuple[str, str, str]:
    control, recipe = report.control, report.recipe
    if control is None:
        return (
            UNSURE,
            "NOT DECIDED",
            f"Whether training here gives the same bits twice was not seen: {report.reason}.",
        )
    if control.holds is False:
        return (
            BAD,
            "NO",
            (
                "Two trainings here differ although everything is pinned. This machine or this build is "
                "at fault; attach this report to a bug. No cause was looked for: it would be guesswork."
            ),
        )
    broken = [one.source for one in report.verdicts if one.verdict == "broken"]
    if broken:
        return (
            BAD,
            "NO",
            (
                f"Runs of one and the same condition part although everything is pinned: {listed(broken)}. "
                f"This machine or this build is at fault; attach this report to a bug."
            ),
        )
    if control.holds is None:
        return (
            UNSURE,
            "NOT DECIDED",
            f"Whether training here gives the same bits twice was not seen: {report.reason}.",
        )
    if recipe is None:
        return _without_recipe(report)
    if recipe.verified is False:
        return (
            UNSURE,
            "NOT AS PRINTED",
            f"A recipe held trial by trial, but its own lines do not: {recipe.reason}.",
        )
    if recipe.verified is None:
        return (
            UNSURE,
            "NOT DECIDED",
            f"A recipe held trial by trial; its own lines were not tried: {recipe.reason}.",
        )
    if recipe.rung == "none":
        return GOOD, "YES", "Training here gives the same bits twice, with nothing pinned."
    return GOOD, "YES, ONCE PINNED", "Training here gives the same bits twice, with these lines:"


def _without_recipe(report: v1.Report) -> tuple[str, str, str]:
    assert report.control is not None
    models = len(report.control.models)
    held = f"With everything pinned, two trainings agree to the last bit on {number(models, 'tiny model')}"
    if report.ladder and all(rung.holds is False for rung in report.ladder):
        return UNSURE, "IN PART", f"{held}; but none of the known recipes holds on all of them."
    if report.ladder or report.interrupted or report.cut:
        return UNSURE, "NOT FINISHED", f"{held}; which recipe suffices was not decided."
    return GOOD, "YES, ONCE PINNED", f"{held}. This scan looked for no recipe."


def _parts_at(report: v1.Report) -> str:
    """Where runs part that should not: the first such place on each model, or of each broken
    source.
    """
    models = [
        (short(one.model), one.divergence)
        for one in (report.control.models if report.control else ())
    ]
    broken = [(one.source, one.divergence) for one in report.verdicts if one.verdict == "broken"]
    return "; ".join(
        f"{name}: {where(found)}" for name, found in [*models, *broken][:20] if found is not None
    )


def _unpinned(report: v1.Report) -> str:
    none = next((rung for rung in report.ladder if rung.id == "none"), None)
    if none is None or none.holds is not False:
        return ""
    parted = list(dict.fromkeys(count.model for count in none.counts if count.parted))
    return f"two runs part on {len(parted)} of {number(len(none.counts), 'tiny model')}"


def _recipe(report: v1.Report) -> str:
    recipe = report.recipe
    if recipe is None:
        return ""
    said = {True: _verified(recipe), False: f"not verified: {recipe.reason}", None: "not verified"}[
        recipe.verified
    ]
    rung = next((one for one in report.ladder if one.id == recipe.rung), None)
    price = f"; a step takes {cost(rung)}" if rung and cost(rung) else ""
    return f"{recipe.title}; {said}{price}"


def _verified(recipe: v1.Recipe) -> str:
    """What the proof showed; a report of before has no bound."""
    if recipe.excluded is None:
        return f"verified in {number(recipe.runs, 'fresh process', 'fresh processes')}"
    models = number(len(recipe.counts), "tiny model")
    return (
        f"verified: {number(recipe.runs // 2, 'pair')} of fresh processes match on {models} "
        f"(rate above {recipe.excluded:.0%} excluded)"
    )


def _besides(report: v1.Report) -> str:
    """Sources that the recipe does not hold, but that part the runs of code which uses them."""
    if report.recipe is None:
        return ""
    names = [
        one.source
        for one in report.verdicts
        if one.verdict == "needs-pin" and not in_recipe(report, one)
    ]
    return f"where your code uses it: {listed(names, 20)}" if names else ""


def _keep_equal(report: v1.Report) -> str:
    names = [one.source for one in report.verdicts if one.verdict == "varies"]
    return f"each of these changes the bits: {listed(names, 20)}" if names else ""


def _undecided(report: v1.Report) -> str:
    return listed([one.source for one in report.verdicts if one.verdict == "error"])


def _untried(report: v1.Report) -> str:
    depth = report.options.get("depth")
    return f"in --{depth}: {listed(report.untried, 60)}" if report.untried else ""


def _early(report: v1.Report) -> str:
    if report.interrupted:
        going_on = f"; go on with --resume {report.resume}" if report.resume else ""
        return f"the scan was interrupted{going_on}"
    return "the budget ran out; what it left is not decided" if report.cut else ""
