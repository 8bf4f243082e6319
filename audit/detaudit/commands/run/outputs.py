"""What runs have saved and printed, what they recorded beside their training, and the difference in
the author's own metric.
"""

import re
from collections.abc import Iterator, Sequence

from detaudit_probes.protocol import BESIDE, PRINTED

from detaudit.commands.run.findings import Output, Quantity
from detaudit.commands.run.judging import saved
from detaudit.commands.run.origin import GENERATORS
from detaudit.commands.run.repeat import first_differing_pair
from detaudit.core import contents
from detaudit.core.contents import Place
from detaudit.core.divergence import renamed
from detaudit.core.experiment import Finished
from detaudit.core.trace import Trace

_LINE = re.compile(r"line (\d+)")
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
    return (
        *_saved(traces),
        *_beside(traces),
        *_names(traces),
        *_printed(traces),
        *_not_judged(traces),
    )


def _saved(traces: Sequence[Trace]) -> list[Output]:
    """Return the files of which something is judged; those outside the folder by the calls that
    wrote them.
    """
    calls = [saved(trace, traces[0]) for trace in traces]
    matching = {name: len({one.get(name) for one in calls}) == 1 for one in calls for name in one}
    read = traces[0].contents
    if read is not None:
        unlike = {place.file for place in _differing(traces, traces[0].trained)}
        files = contents.without_learned(read).files
        judged = (file for file in files if contents.judged(file, traces[0].trained))
        matching.update({file.name: file.name not in unlike for file in judged})
    return [Output("saved", name, matching[name]) for name in sorted(matching) if name != PRINTED]


def _printed(traces: Sequence[Trace]) -> list[Output]:
    read = traces[0].contents
    printed = next((file for file in read.files if file.name == PRINTED), None) if read else None
    if printed is None or not printed.leaves:
        return []
    unlike = [place.place for place in _differing(traces, False) if place.file == PRINTED]
    lines = [int(found[1]) for place in unlike if (found := _LINE.fullmatch(place))]
    return [Output("printed", PRINTED, not unlike, min(lines, default=None))]


def _not_judged(traces: Sequence[Trace]) -> list[Output]:
    """Return the files that differ in nothing that decides, such as one whose format is not
    known.
    """
    read = traces[0].contents
    if read is None or not traces[0].trained:
        return []
    judged = {place.file for place in _differing(traces, True)} | {PRINTED}
    files = {file.name for file in contents.without_learned(read).files}
    unlike = sorted(({place.file for place in _differing(traces, False)} & files) - judged)
    return [Output("other", name, False) for name in unlike]


def _differing(traces: Sequence[Trace], trained: bool) -> Iterator[Place]:
    """Return the places at which the contents of the first run and of another one differ."""
    first = traces[0]
    for other in traces[1:]:
        if first.contents is not None and other.contents is not None:
            ignored = {**first.ignored, **other.ignored}
            unlike = contents.differing(first.contents, other.contents, trained, ignored)
            yield from (one.place for one in unlike)


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
