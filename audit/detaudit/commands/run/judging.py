"""The judged part of two runs: the training, under whatever names, and the arrays that were
saved.
"""

from detaudit.core.divergence import (
    IGNORED,
    Comparison,
    Divergence,
    aligned,
    compare,
    compare_finals,
    partners,
)
from detaudit.core.trace import Trace


def compare_trainings(left: Trace, right: Trace) -> Comparison:
    """Compare the recorded steps, by the names of ``left``, and then what was saved."""
    compared = compare(left, aligned(left, right), IGNORED)
    return compared if isinstance(compared, Divergence) else compare_saved(left, right) or compared


def compare_last(left: Trace, right: Trace) -> Comparison | None:
    """Compare the final weights, and what was saved, which is all that an unrecorded run contains.
    None if it contains no weights.
    """
    compared = compare_finals(left, right, "the weights at exit")
    if compared is None or isinstance(compared, Divergence):
        return compared
    return compare_saved(left, right) or compared


def compare_saved(left: Trace, right: Trace) -> Divergence | None:
    """Return the first file, in the order in which they were saved, whose arrays differ between the
    runs.
    """
    lefts, rights = left.saved_files(), saved(right, left)
    for name in [*lefts, *(name for name in rights if name not in lefts)]:
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
