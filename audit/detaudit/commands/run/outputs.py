"""What runs have saved and printed, what they recorded beside their training, and the difference in
the author's own metric.
"""

from collections.abc import Sequence
from itertools import zip_longest

from detaudit_probes.protocol import BESIDE

from detaudit.commands.run.findings import Output, Quantity
from detaudit.commands.run.judging import saved
from detaudit.commands.run.origin import GENERATORS
from detaudit.commands.run.repeat import first_differing_pair
from detaudit.core.divergence import renamed
from detaudit.core.experiment import Finished
from detaudit.core.trace import Trace

MOST_PRINTED = 10_000_000  # bytes of a run's standard output that are compared
MOST_NAMES = 3  # names that are reported, of those that differ
#: The groups of results; the one that an author reads last comes first.
GROUPS = ("evaluation", "validation", "train")


def outputs(done: Sequence[Finished]) -> tuple[Output, ...]:
    """For each saved file, each observation beside the training, and the standard output: is it the
    same in every completed run?
    """
    traces = [trace for one in done if (trace := one.completed_trace) is not None]
    if len(traces) < 2:
        return ()
    files = [saved(trace, traces[0]) for trace in traces]
    found = [
        Output("saved", name, len({one.get(name) for one in files}) == 1)
        for name in sorted({name for one in files for name in one})
    ]
    found += _beside(traces) + _names(traces)
    printed = [trace.stdout(MOST_PRINTED).splitlines() for trace in traces]
    lines = [line for other in printed[1:] if (line := _first_other(printed[0], other)) is not None]
    if any(printed):
        found.append(Output("printed", "standard output", not lines, min(lines, default=None)))
    return tuple(found)


def _beside(traces: Sequence[Trace]) -> list[Output]:
    names = sorted({name for trace in traces for name in trace.digests if name.startswith(BESIDE)})
    found = []
    for name in names:
        kind, _, title = name[len(BESIDE) :].partition(" ")
        title = GENERATORS[title].title if title in GENERATORS else title
        found.append(Output(kind, title, len({trace.digests.get(name) for trace in traces}) == 1))
    return found


def _names(traces: Sequence[Trace]) -> list[Output]:
    """Return variables and files that have a different name in another run."""
    pairs: dict[str, str] = {}
    for other in traces[1:]:
        pairs.update(
            {
                name: new
                for (stage, new), name in renamed(traces[0], other).items()
                if stage == "init"
            }
        )
        mine, theirs = list(traces[0].saved_files()), list(other.saved_files())
        if len(mine) == len(theirs):
            pairs.update(
                {name: new for name, new in zip(mine, theirs, strict=True) if new not in mine}
            )
    return [
        Output("name", f"{name} / {new}", False) for name, new in list(pairs.items())[:MOST_NAMES]
    ]


def quantity(done: Sequence[Finished]) -> Quantity | None:
    """Return the first loss or metric whose last values differ, in the first two runs that differ:
    a metric before a loss, an evaluation's before a training's. None if there is none.
    """
    found = first_differing_pair(done)
    if found is None or found[1].trace is None or found[2].trace is None:
        return None
    values, others = _results(found[1].trace), _results(found[2].trace)
    differing = [key for key in values if key in others and values[key] != others[key]]
    differing.sort(key=lambda key: (_is_loss(key[1]), GROUPS.index(key[0])))
    return (
        Quantity(differing[0][1], values[differing[0]], others[differing[0]]) if differing else None
    )


def _results(trace: Trace) -> dict[tuple[str, str], float]:
    return {(group, name): value for group, name, value in trace.measures.results}


def _is_loss(name: str) -> bool:
    return name.rpartition("_")[2] == "loss"


def _first_other(left: Sequence[bytes], right: Sequence[bytes]) -> int | None:
    """Return the number, from one, of the first line that differs."""
    pairs = enumerate(zip_longest(left, right), 1)
    return next((number for number, (one, other) in pairs if one != other), None)
