"""The numbers that a run of a user's program ends with: those of Keras, those that the user's
patterns find in its output, or those in a JSON file that it writes.
"""

import math
import re
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import PurePath

from detaudit_probes.protocol import NUMBER

from detaudit.commands.spread.summary import MOST_READ, Results, measured
from detaudit.core.experiment import Finished
from detaudit.core.printed import SHORT
from detaudit.errors import UsageError

MOST = 100  # numbers of one file
MOST_SECONDS = 20.0  # of the search for a pattern in one output
#: The words at the end of a text, such as ``val_acc=`` or ``test accuracy: ``.
_WORDS = re.compile(r"[^\W\d]\w*(?:[ -][^\W\d]\w*)*(?=\W*$)")


def reader(patterns: Sequence[str], file: str | None) -> Results:
    """Return what reads the results of a run. Raises UsageError for a pattern that is none."""
    found = [(one, *pattern_of(one)) for one in patterns]
    if len({name for _, name, _ in found}) < len(found):
        raise UsageError(
            "Two patterns of --parse have the same name: name their groups, (?P<name>...)."
        )
    if not found and file is None:
        return measured

    def read(run: Finished) -> dict[str, float]:
        text = _output(run) if found else ""
        results = {}
        for written, name, pattern in found:
            with _time_limit(written):
                values = pattern.findall(text)
            if values:
                results[name] = _number(values[-1])
        return {**results, **(_of_file(run, file) if file is not None else {})}

    return read


@contextmanager
def _time_limit(pattern: str) -> Iterator[None]:
    """Raise UsageError if a search takes too long: some patterns try exponentially many ways, and
    ``re`` listens to nothing but signals. Only the main thread gets these.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ended(number: int, frame: object) -> None:
        raise UsageError(
            f"--parse {pattern!r} searches the output of one run for more than {MOST_SECONDS:g} s. "
            f"Repetitions of repetitions, such as (\\d+)+, make a pattern slow."
        )

    before = signal.signal(signal.SIGALRM, ended)
    signal.setitimer(signal.ITIMER_REAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def with_first(read: Results, name: str | None) -> Results:
    """Return what reads the results of a run with the one of this name first."""
    if name is None:
        return read

    def ordered(run: Finished) -> dict[str, float]:
        found = read(run)
        return {name: found[name], **found} if name in found else {}

    return ordered


def pattern_of(text: str) -> tuple[str, re.Pattern[str]]:
    """Return the name of a result, and the pattern that finds it: the group's name, or the words
    before the group.
    """
    try:
        pattern = re.compile(text)
    except re.error as error:
        raise UsageError(f"--parse {text!r} is no regular expression: {error}.") from None
    if pattern.groups != 1:
        raise UsageError("--parse takes a regular expression with one group: 'accuracy (\\S+)'.")
    words = _WORDS.search(re.sub(r"\\.", " ", text.partition("(")[0]))
    name = next(iter(pattern.groupindex), words[0] if words else text)
    return name, pattern


def _output(run: Finished) -> str:
    """Return the beginning of a run's output, and its end: of a long one the middle is not kept."""
    if run.trace is None:
        return ""
    beginning = run.trace.stdout(MOST_READ).decode("utf-8", "replace")
    return beginning if len(beginning) < SHORT else f"{beginning}\n{run.trace.stdout_end()}"


def _number(text: str) -> float:
    try:
        return float(text.strip().rstrip(".,;:%)]"))
    except ValueError:
        return math.nan


def _of_file(run: Finished, file: str) -> dict[str, float]:
    read = run.trace.contents if run.trace is not None else None
    name = str(PurePath(file))
    leaves = (leaf for one in read.files if one.name == name for leaf in one.leaves) if read else ()
    numbers = [leaf for leaf in leaves if leaf.kind == NUMBER]
    return {leaf.place: _number(leaf.text) for leaf in numbers[:MOST]}
