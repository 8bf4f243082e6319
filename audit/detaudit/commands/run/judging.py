"""The judged part of two runs: the training, under whatever names, and what was saved; without a
training step, also what was printed.
"""

from detaudit_probes.protocol import Contents

from detaudit.core import contents
from detaudit.core.divergence import (
    IGNORED,
    NOTHING,
    Comparison,
    Divergence,
    Incomparable,
    Match,
    aligned,
    compare,
    compare_finals,
    compare_fits,
    partners,
)
from detaudit.core.trace import Trace


def compare_trainings(left: Trace, right: Trace) -> Comparison:
    """Compare the recorded steps, by the names of ``left``, and then what was saved or printed;
    only the ends of the runs if steps have no order.
    """
    if left.side_by_side or right.side_by_side:
        return compare_last(left, right) or NOTHING
    return _with_outputs(compare(left, aligned(left, right), IGNORED), left, right)


def compare_second(first: Trace, second: Trace) -> Comparison:
    """Compare a run with one that starts with its files. Values that the second one adds to a file
    do not count if everything else matches: a history grows. If both make the same steps, files
    that only the second one has do not count either: a program may number what it saves.
    """
    compared = compare_trainings(first, second)
    steps_match = isinstance(compared, Divergence) and compared.stage == "output"
    if not steps_match or first.contents is None or second.contents is None:
        return compared
    trained = bool(first.steps())
    if compare_saved(first, second, added=not trained) is not None:
        return compared
    known, grown = contents.without_added(first.contents, second.contents, files=trained)
    ignored = {**first.ignored, **second.ignored}
    if any(contents.differing(first.contents, known, trained, ignored)):
        return compared
    if trained:
        return compare(first, aligned(first, second), IGNORED)
    others = Contents(tuple(one for one in known.files if one.name not in grown))
    count = contents.count(others, trained)
    return Match(count) if count else compared


def compare_last(left: Trace, right: Trace) -> Comparison | None:
    """Compare the final weights, what was fitted, and what was saved or printed, which is all that
    an unrecorded run contains. None if it contains nothing of this.
    """
    compared = (
        compare_finals(left, right, "the weights at exit"),
        compare_fits(left, right, "the fitted models"),
    )
    found = [one for one in compared if one is not None]
    differing = [one for one in found if isinstance(one, Divergence)]
    return _with_outputs(next(iter(differing or found), None), left, right)


def compare_ends_on(left: Trace, right: Trace) -> Comparison | None:
    """Compare the final weights, and all that was printed and saved, of two runs of which one
    neither trained nor fitted anything. None if nothing was printed or saved, or it was not read.
    """
    finals = compare_finals(left, right, "the weights at exit")
    if isinstance(finals, Divergence) or left.contents is None or right.contents is None:
        return finals if isinstance(finals, Divergence) else None
    outputs = [contents.without_learned(trace.contents) for trace in (left, right)]
    ignored = {**left.ignored, **right.ignored}
    first = next(contents.differing(*outputs, False, ignored), None)
    if first is not None:
        return Divergence("output", None, contents.readable(first.place), "bits")
    count = contents.count(outputs[1], False)
    return compare_saved(left, right) or (Match(count) if count else None)


def _with_outputs(compared: Comparison | None, left: Trace, right: Trace) -> Comparison | None:
    """Return how the outputs compare, if the trainings match or nothing of them was observed."""
    nothing = compared is None or compared == NOTHING
    if not nothing and not isinstance(compared, Match):
        return compared
    outputs = compare_saved(left, right) or compare_outputs(left, right)
    if nothing or not isinstance(outputs, Match | None):
        return outputs or compared
    return compared


def compare_outputs(left: Trace, right: Trace) -> Comparison | None:
    """Compare the numbers that were learned without training steps, what was saved and, if no
    training step was observed, what was printed. None if there is nothing of this.
    """
    if left.unread or right.unread:
        return Incomparable("what the script printed and saved could not be read")
    if left.contents is None or right.contents is None:
        return None
    at_the_end = left.side_by_side or right.side_by_side
    trained = not at_the_end and (left.trained or right.trained)
    ignored = {**left.ignored, **right.ignored}
    first = next(contents.differing(left.contents, right.contents, trained, ignored), None)
    if first is not None:
        place, one, other = first
        kind = "missing" if one is None or other is None else "bits"
        return Divergence("output", None, contents.readable(place), kind)
    count = contents.count(left.contents, trained)
    return Match(count) if count else None


def compare_saved(left: Trace, right: Trace, added: bool = True) -> Divergence | None:
    """Return the first file, in the order in which they were saved, whose arrays differ between the
    runs; of files that only ``right`` has only if ``added``.
    """
    lefts, rights = left.saved_files(), saved(right, left)
    for name in dict.fromkeys([*lefts, *rights] if added else lefts):
        if lefts.get(name) != rights.get(name):
            kind = "bits" if name in lefts and name in rights else "missing"
            return Divergence("output", None, f"saved {name}", kind)
    return None


def saved(trace: Trace, other: Trace) -> dict[str, str]:
    """Return the digest of each saved file, in the order in which they were saved, by its name in
    ``other``.
    """
    found = trace.saved_files()
    names = partners(list(other.saved_files()), list(found))
    return {names.get(name, name): digest for name, digest in found.items()}
