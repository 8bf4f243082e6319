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
from datetime import date, datetime, timezone

from detaudit_probes.protocol import NUMBER, TEXT, Contents, own_setting
from detaudit_probes.sources import MAY_FAIL

from detaudit.commands.run.case import Case, Investigation
from detaudit.commands.run.control import relevant
from detaudit.commands.run.findings import Output, RunAudit
from detaudit.commands.run.repeat import compare_runs
from detaudit.core import contents
from detaudit.core.condition import Condition, Trial, pair
from detaudit.core.contents import DATE_WORDS, Ignored, Place
from detaudit.core.divergence import Divergence
from detaudit.core.events import Phase
from detaudit.core.experiment import Experiment, Finished

DAY = 86400
LATER = 201 * DAY + 5 * 3600 + 13 * 60 + 17  # seconds: every part of a date and a time changes
SUMMER = 3600  # seconds by which local time may move in addition
SLOWER = 1000  # times the length of a tick: no result changes like this
SHORTEST = 10.0  # seconds of such a tick
UNITS = (1, 1e3, 1e6, 1e9)  # of a number of seconds since 1970
RECENT = 6 * 3600  # seconds since the beginning of an audit, at most
MOST_REPORTED = 3  # times
SHORTEST_ID, MOSTLY = 4, 0.8  # bytes, and the share of them that repeat

_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+")
_PART = re.compile(r"\d{1,2}|\d{4}")  # the day of a month, a year
_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d\d):(\d\d)([.,]\d+)?(?!\d)")
_DATE = re.compile(r"(?<!\d)(\d{4})[-/.]?(\d\d)[-/.]?(\d\d)(?!\d)")
_STAMP = re.compile(r"(?<!\d)(\d{8})[-_T]?(\d{6})(?!\d)")
_ID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4,})*", re.IGNORECASE)
_ADDRESS = re.compile(r" at (0x[0-9a-f]{8,16})>")  # "<object at 0x7f0a5c3b2d10>"
#: A unit of time, or of a rate, as programs print it after a number, or as the next word.
_UNIT = (
    r"(?:[mµun]?s(?:ecs?)?|seconds?|minutes?|hours?|milliseconds?|m?s/\w+|us/\w+|\w+/s(?:ec)?)[.:]?"
)
_DURATION = re.compile(rf"(?:{_NUMBER.pattern}){_UNIT}", re.IGNORECASE)
_ONLY_UNIT = re.compile(_UNIT, re.IGNORECASE)
_NAME_OF_TIME = re.compile(r"time|second|elapsed|duration|(?<![a-z])sec|_s(?![a-z])", re.IGNORECASE)
#: What does not count in a value that contains a stamp, a duration, an id; in a path, all of it.
_IN_STAMP = re.compile(
    rf"{_STAMP.pattern}|{_CLOCK.pattern}|{_DATE.pattern}|\d{{9,}}(?:\.\d+)?|{DATE_WORDS.pattern}",
    re.IGNORECASE,
)
_WHOLE = re.compile(r".+", re.DOTALL)

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
        self._first: dict[Condition, Finished] = {}

    def judged_alike(self, run: Finished) -> Finished:
        """Return the run, judged by what the first recorded run has: steps, or only its output."""
        trace = run.completed_trace
        if trace is None:
            return run
        if self._trained is None and run.trial.condition.orders.record:
            self._trained = trace.trained
        return replace(run, trace=replace(trace, known_to_train=self._trained))

    def learn(self, found: Mapping[Trial, Finished]) -> Experiment[None]:
        for trial, run in found.items():
            first = self._first.setdefault(trial.condition, run)
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
    dated = {place[:2] for place, a, b in steady if _is_name(a) and _is_name(b)}
    for place, a, b in steady:
        line = lines.get(place[:2], "")
        found = kind(a, b, _following(place, line))
        # "Sun Jul 16 2017" is four words
        if kind is as_stamp and place[:2] in dated and _PART.fullmatch(a) and _PART.fullmatch(b):
            found = Ignored(_WHOLE)
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
    """Return the places of temporary files, of addresses as Python prints them, and of numbers with
    a unit of time that differ although everything is pinned: libraries in C print durations that no
    pin of the clock reaches.
    """
    temporary = os.path.join(tempfile.gettempdir(), "")
    for file in read.files:
        for leaf in file.leaves:
            # The spread of durations, for example, is zero if each takes as many ticks
            if leaf.kind == NUMBER and _NAME_OF_TIME.search(leaf.place) and not float(leaf.text):
                yield _known_by(Place(file.name, leaf.place), "", Ignored(_WHOLE))
            words = contents.words(leaf.text) if leaf.kind == TEXT else []
            addresses = _ADDRESS.findall(leaf.text)
            for number, word in enumerate(words):
                place = Place(file.name, leaf.place, number)
                address = word in addresses
                timed = place in unsteady and _has_unit(word, "".join(words[number + 1 :][:1]))
                if address or timed or temporary in word:
                    yield _known_by(place, leaf.text, Ignored(_WHOLE))


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
            yield _known_by(place, lines.get(place[:2], ""), Ignored(_IN_STAMP))


def is_present(text: str) -> bool:
    """Whether a text is the present date, or time of day, here or in UTC."""
    day, clock = _DATE.fullmatch(text), _CLOCK.fullmatch(text)
    for now in (datetime.now(), datetime.now(timezone.utc).replace(tzinfo=None)):
        if day is not None and text[:4].isdigit():
            try:
                found = date(int(day[1]), int(day[2]), int(day[3]))
            except ValueError:
                return False
            if abs((now.date() - found).days) <= 1:
                return True
        if clock is not None:
            passed = now.hour * 3600 + now.minute * 60 + now.second - _seconds(clock)
            if (passed + 1) % DAY <= RECENT:
                return True
    return False


def _has_unit(word: str, following: str) -> bool:
    """Whether a word is a number with a unit of time; ``following`` is the next word, or the name
    of the value.
    """
    if _DURATION.fullmatch(word):
        return True
    named = _ONLY_UNIT.fullmatch(following) or _NAME_OF_TIME.search(following)
    return bool(_NUMBER.fullmatch(word) and named)


# What a changed value is --------------------------------------------------------------------------


def as_id(before: str, after: str, following: str = "") -> Ignored | None:
    """Return the ids of a text, if these became repeated bytes and nothing else changed."""
    ids = list(zip(_ID.findall(before), _ID.findall(after), strict=False))
    if not ids or _ID.sub("", before) != _ID.sub("", after):
        return None
    return Ignored(_ID) if all(a == b or _repeats(b) for a, b in ids) else None


def _repeats(text: str) -> bool:
    digits = text.replace("-", "").lower()
    pairs = [digits[place : place + 2] for place in range(0, len(digits) - 1, 2)]
    return len(pairs) >= SHORTEST_ID and (
        max(map(pairs.count, pairs), default=0) >= MOSTLY * len(pairs)
    )


def as_stamp(before: str, after: str, following: str = "") -> Ignored | None:
    """Return the times in a text, if they changed as the time does when the clock is moved by
    ``LATER``, and nothing else changed: numbers of seconds since 1970, dates, times of day, names
    of days and months, and process ids.
    """
    if not is_stamp(before, after):
        return None
    return Ignored(_NUMBER if _NUMBER.fullmatch(before) else _IN_STAMP)


def is_stamp(before: str, after: str) -> bool:
    for pattern, moves in (
        (_STAMP, _moves_as_stamp),
        (_CLOCK, _moves_as_clock),
        (_DATE, _moves_as_date),
    ):
        pairs = list(zip(pattern.finditer(before), pattern.finditer(after), strict=False))
        if pairs and all(moves(a, b) for a, b in pairs):
            rest = pattern.sub("", before), pattern.sub("", after)
            return rest[0] == rest[1] or is_stamp(*rest)
    if _is_name(before) and _is_name(after):
        return True
    numbers = _numbers(before, after)
    return bool(numbers) and all(a == b or _is_later(a, b) for a, b in numbers)


def _is_name(text: str) -> bool:
    return DATE_WORDS.fullmatch(text) is not None


def _is_later(before: float, after: float) -> bool:
    return any(abs(after - before - LATER * unit) <= unit for unit in UNITS)


def _moves_as_clock(before: re.Match[str], after: re.Match[str]) -> bool:
    a, b = _seconds(before), _seconds(after)
    return _is_moved((b - a - LATER + DAY / 2) % DAY - DAY / 2)


def _is_moved(error: float) -> bool:
    return any(abs(abs(error) - summer) <= 1 for summer in (0, SUMMER))


def _moves_as_stamp(before: re.Match[str], after: re.Match[str]) -> bool:
    try:
        a, b = (datetime.strptime(one[1] + one[2], "%Y%m%d%H%M%S") for one in (before, after))
    except ValueError:
        return False
    return _is_moved((b - a).total_seconds() - LATER)


def _moves_as_date(before: re.Match[str], after: re.Match[str]) -> bool:
    try:
        a, b = (date(int(one[1]), int(one[2]), int(one[3])) for one in (before, after))
    except ValueError:
        return False
    return LATER // DAY <= (b - a).days <= LATER // DAY + 1


def as_duration(before: str, after: str, following: str = "") -> Ignored | None:
    """Return the numbers of a text, if they changed as durations do when every tick is ``SLOWER``
    times as long, or as rates do. Whole numbers, zeros and rates need a unit of time.
    """
    clocks = list(zip(_CLOCK.finditer(before), _CLOCK.finditer(after), strict=False))
    if clocks and all(
        _grows(_seconds(a), _seconds(b), _last(a[3] + (a[4] or "").replace(",", ".")), True)
        for a, b in clocks
    ):
        return Ignored(_CLOCK) if _CLOCK.sub("", before) == _CLOCK.sub("", after) else None
    numbers, unit = _numbers(before, after), _has_unit(before, following)
    lasts = zip(
        map(_last, _NUMBER.findall(before)), map(_last, _NUMBER.findall(after)), strict=False
    )
    grown = bool(numbers) and all(
        a == b or _grows(a, b, last, unit) or (unit and _grows(b, a, other, unit))
        for (a, b), (last, other) in zip(numbers, lasts, strict=False)
    )
    return Ignored(_NUMBER) if grown else None


def _grows(short: float, long: float, last: float, unit: bool) -> bool:
    """Whether ``long`` is ``SLOWER`` times ``short``, which is rounded to its place ``last``."""
    if (not short or last >= 1) and not unit:
        return False
    if not short and long < SHORTEST:
        return False  # no whole tick
    return abs(long - SLOWER * short) <= SLOWER * last / 2 + 1e-3 * long


def _last(number: str) -> float:
    """Return the value of one in the last place of a number as it is written."""
    digits, _, exponent = number.lower().partition("e")
    return float(10 ** (int(exponent or 0) - len(digits.partition(".")[2])))


def _seconds(clock: re.Match[str]) -> float:
    hours, minutes, seconds, part = clock.groups()
    return (
        3600 * int(hours)
        + 60 * int(minutes)
        + int(seconds)
        + float((part or "0").replace(",", "."))
    )


def _numbers(before: str, after: str) -> list[tuple[float, float]]:
    """Return the numbers of two texts that differ only in these; none if they differ otherwise."""
    if _NUMBER.sub("0", before) != _NUMBER.sub("0", after):
        return []
    a, b = _NUMBER.findall(before), _NUMBER.findall(after)
    return [(float(one), float(other)) for one, other in zip(a, b, strict=True)]
