"""What runs have saved and printed: told beside the verdict, which rests on the training alone."""
from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

from detaudit_probes import protocol

from detaudit.runner import Finished
from detaudit.script.findings import Output

SAVED = "saved "           # how the digests begin that a script's saved files have
MOST_PRINTED = 10_000_000  # bytes of a run's standard output that are compared


def outputs(done: Sequence[Finished]) -> tuple[Output, ...]:
    """Each saved file by name, and the standard output: is it the same in every run that completed?"""
    traces = [one.trace for one in done if one.trace is not None and one.outcome.completed]
    if len(traces) < 2:
        return ()
    names = sorted({name for trace in traces for name in trace.digests if name.startswith(SAVED)})
    found = [Output("saved", name[len(SAVED):], len({trace.digests.get(name) for trace in traces}) == 1)
             for name in names]
    printed = [_printed(trace.folder / protocol.STDOUT_FILE) for trace in traces]
    lines = [line for other in printed[1:] if (line := _first_other(printed[0], other)) is not None]
    if any(printed):
        found.append(Output("printed", "standard output", not lines, min(lines, default=None)))
    return tuple(found)


def _printed(path: Path) -> list[bytes]:
    if not path.exists():
        return []
    with open(path, "rb") as file:
        return file.read(MOST_PRINTED).splitlines()


def _first_other(left: Sequence[bytes], right: Sequence[bytes]) -> int | None:
    """The number, from one, of the first line that differs."""
    pairs = enumerate(zip_longest(left, right), 1)
    return next((number for number, (one, other) in pairs if one != other), None)
