"""What of two runs is judged: the training, by whatever names, and the arrays that were saved."""

from collections.abc import Sequence

from detaudit_probes.protocol import SAVED

from detaudit.diff import Agreement, Comparison, Divergence, aligned, compare, partners
from detaudit.traces import Trace

#: The generators' own states differ as soon as one is unpinned: what the training made of them is
#: judged.
IGNORED = ("rng",)


def compare_trainings(left: Trace, right: Trace) -> Comparison:
    """The steps that were recorded, by the names of ``left``, and then what was saved."""
    compared = compare(left, aligned(left, right), IGNORED)
    return compared if isinstance(compared, Divergence) else compare_saved(left, right) or compared


def compare_last(left: Trace, right: Trace) -> Comparison | None:
    """The weights at exit, and what was saved: all that an unrecorded run tells. None where it
    tells no weights.
    """
    ends = [trace.digests.get("final") for trace in (left, right)]
    if None in ends:
        return None
    if ends[0] != ends[1]:
        return Divergence("update", None, "the weights at exit", "bits")
    return compare_saved(left, right) or Agreement(1)


def compare_saved(left: Trace, right: Trace) -> Divergence | None:
    """The first file, in the order in which they were saved, whose arrays are not the same in both
    runs.
    """
    lefts, rights = saved(left), saved(right, left)
    for name in [*lefts, *(name for name in rights if name not in lefts)]:
        if lefts.get(name) != rights.get(name):
            kind = "bits" if name in lefts and name in rights else "missing"
            return Divergence("output", None, f"saved {name}", kind)
    return None


def saved(trace: Trace, other: Trace | None = None) -> dict[str, str]:
    """The digest of each saved file, in the order in which they were saved, by the name that
    ``other`` has for it.
    """
    found = {
        name[len(SAVED) :]: digest
        for name, digest in trace.digests.items()
        if name.startswith(SAVED)
    }
    order: Sequence[str] = [name for name in trace.measures.saved if name in found] or sorted(found)
    names = partners(list(saved(other)), order) if other is not None else {}
    return {names.get(name, name): found[name] for name in order}
