"""Tells results from the times and ids among what a program prints and saves, by an experiment.
With everything pinned, the clock is moved: a stamp, or a process id, moves with it; a duration
grows with its ticks. Then every answer of the operating system's entropy is one byte, repeated: an
id consists of that byte.

Times and ids are no results, and are not compared from then on. A number that depends on the clock
or on entropy in another way, such as a loss after a seed from the clock, remains a result.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from detaudit_probes.protocol import NUMBER, TEXT, Contents, own_setting
from detaudit_probes.sources import MAY_FAIL

from detaudit.commands.run.case import Case, Investigation
from detaudit.commands.run.control import relevant
from detaudit.commands.run.findings import Output, RunAudit
from detaudit.commands.run.repeat import compare_runs
from detaudit.commands.run.vary import VARIED
from detaudit.core import contents
from detaudit.core.condition import Condition, Trial, pair, varied
from detaudit.core.contents import Ignored, Place
from detaudit.core.divergence import Divergence
from detaudit.core.events import Phase
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.stamps import (
    IN_STAMP,
    LATER,
    SLOWER,
    WHOLE,
    as_duration,
    as_id,
    as_stamp,
    has_unit,
    is_called_a_time,
    is_name,
    is_present,
)

MOST_REPORTED = 1000  # times

_PART = re.compile(r"\d{1,2}|\d{4}")  # the day of a month, a year
_RANK = re.compile(r"rank_test_\w+")  # a column of a search's results
_ADDRESS = re.compile(r" at (0x[0-9a-f]{8,16})>")  # "<object at 0x7f0a5c3b2d10>"

IgnoredPlaces = dict[Place, Ignored]


def set_aside(
    case: Case, blank: RunAudit, investigation: Callable[[Case, RunAudit], Investigation]
) -> Investigation:
    """Run ``investigation`` of the case. As soon as two runs of one condition differ only in what
    they print or save, find the times in it: no run is compared by these from then on.
    """
    inner, times = investigation(case, blank), _Times(case)
    try:
        wanted = next(inner)
        while True:
            found = yield wanted
            found = {trial: times.judged_alike(run) for trial, run in found.items()}
            yield from times.learn(found)
            wanted = inner.send({trial: times.drop(run) for trial, run in found.items()})
    except StopIteration as end:
        return times.reported(end.value)


class _Times:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.ignored: IgnoredPlaces | None = None  # None: not looked for yet
        self._trained: bool | None = None  # whether the first recorded run trained
        self._side_by_side = False  # whether several threads have trained at once in any run
        self._first: dict[Condition, Finished] = {}
        self._varied = {varied(case.unpinned, source) for source in VARIED}

    def judged_alike(self, run: Finished) -> Finished:
        """Return the run, judged by what the first recorded run has: steps, or only its output. If
        several threads have trained at once in any run, all later ones are judged by their ends.
        """
        trace = run.completed_trace
        if trace is None:
            return run
        if self._trained is None and run.trial.condition.orders.record:
            self._trained = trace.trained
        self._side_by_side = self._side_by_side or trace.side_by_side
        known = replace(trace, known_to_train=self._trained, known_side_by_side=self._side_by_side)
        return replace(run, trace=known)

    def learn(self, found: Mapping[Trial, Finished]) -> Experiment[None]:
        for trial, run in found.items():
            # Durations that are rounded may match in all runs but those with another clock
            like = self.case.unpinned if trial.condition in self._varied else trial.condition
            first = self._first.setdefault(like, run)
            if self.ignored is None and first is not run and _differ_only_in_text(first, run):
                self.case.emit(Phase("Moving the clock, to tell results from times"))
                self.ignored = yield from times_of(self.case, (first, run))

    def drop(self, run: Finished) -> Finished:
        """Return the run without the times in what it printed and saved."""
        if not self.ignored or run.trace is None:
            return run
        return replace(run, trace=replace(run.trace, ignored=self.ignored))

    def reported(self, audit: RunAudit) -> RunAudit:
        names = sorted({contents.readable(place) for place in self.ignored or ()})
        times = tuple(Output("time", name, False) for name in names[:MOST_REPORTED])
        return replace(audit, outputs=audit.outputs + times)


def _differ_only_in_text(left: Finished, right: Finished) -> bool:
    """Whether two runs differ in no training step, but in numbers or words that are written as
    text.
    """
    one, other = left.completed_trace, right.completed_trace
    if one is None or other is None or one.contents is None or other.contents is None:
        return False
    unlike = contents.differing(one.contents, other.contents, one.trained)
    written = any(a and b and a.kind in (NUMBER, TEXT) for _, a, b in unlike)
    compared = compare_runs(left, right) if written else None
    return isinstance(compared, Divergence) and compared.stage == "output"


def times_of(case: Case, runs: Sequence[Finished]) -> Experiment[IgnoredPlaces]:
    """Return the places of times and ids, which runs with a moved clock, and with repeated entropy,
    show. A run that fails shows nothing; if one of the pinned pair does, none is known.
    """
    chosen = [pin for pin, known in case.known.items() if known.holds_time or known.holds_ids]
    pins = [pin for pin in relevant(case, runs)[0] if pin in chosen or pin not in MAY_FAIL]
    pinned = case.pinned(pins)
    changed: dict[Trial, Callable[[str, str, str], Ignored | None]] = {}
    for pin in pins:
        source = case.of_pin(pin).id
        if case.known[pin].holds_time:
            changed[_with(pinned, source, [LATER, 1])] = as_stamp
            changed[_with(pinned, source, [0, SLOWER])] = as_duration
        if case.known[pin].holds_ids:
            changed[_with(pinned, source, "repeated")] = as_id
    same = pair(pinned, 0)
    found = yield [*same, *changed]
    one, other = (_read(found[trial]) for trial in same)
    if one is None or other is None:
        return {}
    unsteady = {place for place, _, _ in contents.differing(one, other, False)}
    ignored = {**dict(_recognised(one, unsteady)), **dict(_present(runs))}
    for trial, kind in changed.items():
        moved = _read(found[trial])
        if moved is not None:
            ignored.update(_changed(one, moved, unsteady, kind))
    return ignored


def _with(pinned: Condition, source: str, value: object) -> Trial:
    return Trial(pinned.with_settings(own_setting(source, json.dumps(value))), 0)


def _read(run: Finished) -> Contents | None:
    trace = run.completed_trace
    return trace.contents if trace is not None else None


def _changed(
    one: Contents,
    moved: Contents,
    unsteady: set[Place],
    kind: Callable[[str, str, str], Ignored | None],
) -> Iterator[tuple[Place, Ignored]]:
    """Return the places that are equal in two pinned runs, and that change as this ``kind``."""
    lines = {(file.name, leaf.place): leaf.text for file in one.files for leaf in file.leaves}
    steady = [
        (place, a.text, b.text)
        for place, a, b in contents.differing(one, moved, False)
        if place not in unsteady and a and b
    ]
    dated = {place[:2] for place, a, b in steady if is_name(a) and is_name(b)}
    for place, a, b in steady:
        line = lines.get(place[:2], "")
        found = kind(a, b, _following(place, line))
        # "Sun Jul 16 2017" is four words
        if kind is as_stamp and place[:2] in dated and _PART.fullmatch(a) and _PART.fullmatch(b):
            found = Ignored(WHOLE)
        if found is not None:
            yield _known_by(place, line, found)


def _known_by(place: Place, line: str, found: Ignored) -> tuple[Place, Ignored]:
    others = contents.without_digits(line) if place.word is not None else ()
    return contents.key(place), found._replace(others=others)


def _following(place: Place, line: str) -> str:
    """Return what may say that a value is a time: the next word, or the name of the value."""
    if place.word is None:
        return place.place
    return "".join(contents.words(line)[place.word + 1 : place.word + 2])


def _recognised(read: Contents, unsteady: set[Place]) -> Iterator[tuple[Place, Ignored]]:
    """Return the places of temporary files, of addresses as Python prints them, and of values with
    a unit or a name of time that differ although everything is pinned: no pin of the clock reaches
    a library in C. Of values with such a name, zeros and the ranks of a search are times too.
    """
    temporary = os.path.join(tempfile.gettempdir(), "")
    for file in read.files:
        for leaf in file.leaves:
            # The spread of durations, for example, is zero if each takes as many ticks
            named = is_called_a_time(leaf.place)
            of_time = leaf.kind == NUMBER and named
            own = Place(file.name, leaf.place) in unsteady  # a library in C reads its own clock
            if of_time and (own or _RANK.search(leaf.place) or not float(leaf.text)):
                yield _known_by(Place(file.name, leaf.place), "", Ignored(WHOLE))
            words = contents.words(leaf.text) if leaf.kind == TEXT else []
            addresses = _ADDRESS.findall(leaf.text)
            for number, word in enumerate(words):
                place = Place(file.name, leaf.place, number)
                address = word in addresses
                following = "".join(words[number + 1 :][:1])
                timed = place in unsteady and (named or has_unit(word, following))
                if address or timed or temporary in word:
                    yield _known_by(place, leaf.text, Ignored(WHOLE))


def _present(runs: Sequence[Finished]) -> Iterator[tuple[Place, Ignored]]:
    """Return the places at which the unchanged program has written the present date or time of day,
    which a database, say, may take from the system by itself.
    """
    left, right = (_read(run) for run in runs)
    if left is None or right is None:
        return
    lines = {(file.name, leaf.place): leaf.text for file in left.files for leaf in file.leaves}
    for place, a, b in contents.differing(left, right, False):
        if a and b and is_present(a.text) and is_present(b.text):
            yield _known_by(place, lines.get(place[:2], ""), Ignored(IN_STAMP))
