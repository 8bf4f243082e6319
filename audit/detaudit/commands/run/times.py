"""Tells results from the times and ids among what a program prints and saves, by an experiment.
With everything pinned, the clock is moved: a stamp, or a process id, moves with it; a duration
grows with its ticks. Then every answer of the operating system's entropy is one byte, repeated: an
id shows it.

Times and ids are no results, and are not compared from then on. A number that depends on the clock
or on entropy in another way, such as a loss after a seed from the clock, remains a result.
"""

import json
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime

from detaudit_probes.protocol import NUMBER, TEXT, Contents, own_setting
from detaudit_probes.sources import MAY_FAIL

from detaudit.commands.run.case import Case, Investigation
from detaudit.commands.run.control import relevant
from detaudit.commands.run.findings import Output, RunAudit
from detaudit.commands.run.repeat import compare_runs
from detaudit.core import contents
from detaudit.core.condition import Condition, Trial, pair
from detaudit.core.contents import Place
from detaudit.core.divergence import Divergence
from detaudit.core.events import Phase
from detaudit.core.experiment import Experiment, Finished

DAY = 86400
LATER = 201 * DAY + 5 * 3600 + 13 * 60 + 17  # seconds: every part of a date and a time changes
SUMMER = 3600  # seconds by which local time may move in addition
SLOWER = 1000  # times the length of a tick: no result changes like this
SHORTEST = 10.0  # seconds of such a tick
UNITS = (1, 1e3, 1e6, 1e9)  # of a number of seconds since 1970
MOST = 3  # times that are reported

SHORTEST_ID, MOSTLY = 4, 0.8  # bytes, and the share of them that repeat

_HEX = re.compile(r"[^0-9a-f]")
_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+")
_PART = re.compile(r"\d{1,2}|\d{4}")  # the day of a month, a year
_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d\d):(\d\d)(\.\d+)?(?!\d)")
_DATE = re.compile(r"(?<!\d)(\d{4})[-/.]?(\d\d)[-/.]?(\d\d)(?!\d)")
_STAMP = re.compile(r"(?<!\d)(\d{8})[-_T]?(\d{6})(?!\d)")
_NAMES = re.compile(
    r"(?:mon|tue|wed|thu|fri|sat|sun|jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)\w*", re.I
)
#: A number of seconds or the like, as programs print it; in two words, the second is the unit.
_UNIT = r"(?:[mµun]?s|secs?|seconds?|minutes?|mins?|hours?|h|milliseconds?|ms/\w+|s/\w+|us/\w+|it/s|\w+/s(?:ec)?)"
_DURATION = re.compile(rf"(?:{_NUMBER.pattern}){_UNIT}[.:]?", re.I)
_ONLY_UNIT = re.compile(rf"{_UNIT}[.:]?", re.I)


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
            yield from times.learn(found)
            wanted = inner.send({trial: times.without(run) for trial, run in found.items()})
    except StopIteration as end:
        return times.reported(end.value)


class _Times:
    def __init__(self, case: Case) -> None:
        self.case = case
        self.places: frozenset[Place] | None = None  # None: not looked for yet
        self._first: dict[Condition, Finished] = {}

    def learn(self, found: Mapping[Trial, Finished]) -> Experiment[None]:
        for trial, run in found.items():
            first = self._first.setdefault(trial.condition, run)
            if self.places is None and first is not run and _differ_only_in_text(first, run):
                self.case.emit(Phase("Moving the clock, to tell results from times"))
                self.places = yield from times_of(self.case, (first, run))

    def without(self, run: Finished) -> Finished:
        """Return the run without the times in what it printed and saved."""
        if not self.places or run.trace is None:
            return run
        return replace(run, trace=replace(run.trace, beside=self.places))

    def reported(self, audit: RunAudit) -> RunAudit:
        names = sorted({contents.readable(place) for place in self.places or ()})
        times = tuple(Output("time", name, False) for name in names[:MOST])
        return replace(audit, outputs=audit.outputs + times)


def _differ_only_in_text(left: Finished, right: Finished) -> bool:
    """Whether two runs differ in no training step, but in numbers or words that are written as
    text.
    """
    one, other = left.completed_trace, right.completed_trace
    if one is None or other is None or one.contents is None or other.contents is None:
        return False
    trained = one.trained or other.trained
    unlike = contents.differing(one.contents, other.contents, trained)
    written = any(a and b and a.kind in (NUMBER, TEXT) for _, a, b in unlike)
    compared = compare_runs(left, right) if written else None
    return isinstance(compared, Divergence) and compared.stage == "output"


def times_of(case: Case, runs: Sequence[Finished]) -> Experiment[frozenset[Place]]:
    """Return the places of times, which the runs with a moved clock show; none if a pinned run
    fails, or the clock cannot be pinned.
    """
    clock = next((pin for pin in case.pins if case.known[pin].holds_time), None)
    if clock is None:
        return frozenset()
    wanted = [pin for pin, known in case.known.items() if known.holds_time or known.holds_ids]
    pins = [pin for pin in relevant(case, runs)[0] if pin in wanted or pin not in MAY_FAIL]
    pinned, source = case.pinned(pins), case.of_pin(clock).id
    later, slower = (
        Trial(pinned.with_settings(own_setting(source, json.dumps(moved))), 0)
        for moved in ((LATER, 1), (0, SLOWER))
    )
    trials = [*pair(pinned, 0), later, slower]
    for pin in pins:
        if case.known[pin].holds_ids:
            repeated = own_setting(case.of_pin(pin).id, "repeated")
            trials.append(Trial(pinned.with_settings(repeated), 0))
    found = yield trials
    read = [
        run.trace.contents
        for run in (found[trial] for trial in trials)
        if run.outcome.completed and run.trace is not None and run.trace.contents is not None
    ]
    if len(read) < len(trials):
        return frozenset()
    return frozenset({*_changed(*read), *_recognised(read[0])})


def _changed(one: Contents, other: Contents, *changed: Contents) -> Iterator[Place]:
    """Return the places that are equal in two pinned runs, and that change as times and ids do."""
    unsteady = {place for place, _, _ in contents.differing(one, other, False)}
    for moved, is_one in zip(changed, (is_stamp, is_duration, is_id), strict=False):
        steady = [
            (place, a.text, b.text)
            for place, a, b in contents.differing(one, moved, False)
            if place not in unsteady and a and b
        ]
        named = {place[:2] for place, a, b in steady if _is_name(a) and _is_name(b)}
        for place, a, b in steady:
            # "Sun Jul 16 2017" is four words
            in_date = place[:2] in named and _PART.fullmatch(a) and _PART.fullmatch(b)
            if is_one(a, b) or (is_one is is_stamp and in_date):
                yield place


def _recognised(read: Contents) -> Iterator[Place]:
    """Return the places, in texts, of numbers with a unit of time, and of temporary files.
    Libraries in C print durations that no pin of the clock reaches.
    """
    temporary = os.path.join(tempfile.gettempdir(), "")
    for file in read.files:
        for leaf in file.leaves:
            words = contents.words(leaf.text) if leaf.kind == TEXT else []
            for number, word in enumerate(words):
                unit = words[number + 1] if number + 1 < len(words) else ""
                plain = _NUMBER.fullmatch(word) and _ONLY_UNIT.fullmatch(unit)
                if _DURATION.fullmatch(word) or plain or temporary in word:
                    yield Place(file.name, leaf.place, number)


def is_id(before: str, after: str) -> bool:
    """Whether a text became one that consists of repeated bytes, in hexadecimal digits."""
    digits = _HEX.sub("", after.lower())
    pairs = [digits[place : place + 2] for place in range(0, len(digits) - 1, 2)]
    return (
        len(pairs) >= SHORTEST_ID
        and len(_HEX.sub("", before.lower())) == len(digits)
        and max(pairs.count(one) for one in pairs) >= MOSTLY * len(pairs)
    )


def is_stamp(before: str, after: str) -> bool:
    """Whether a text changed as the time does if the clock is moved by ``LATER``: a number of
    seconds since 1970, a date, a time of day, or the name of a day or month.
    """
    for pattern, moved in ((_STAMP, _moves_as_stamp), (_CLOCK, _moves_as_clock)):
        rest = pattern.sub("", before), pattern.sub("", after)
        pairs = list(zip(pattern.finditer(before), pattern.finditer(after), strict=False))
        if pairs and all(moved(a, b) for a, b in pairs):
            return rest[0] == rest[1] or is_stamp(*rest)
    dates = list(zip(_DATE.finditer(before), _DATE.finditer(after), strict=False))
    if dates and all(_moves_as_date(a, b) for a, b in dates):
        rest = _DATE.sub("", before), _DATE.sub("", after)
        return rest[0] == rest[1] or is_stamp(*rest)
    if _is_name(before) and _is_name(after):
        return True
    numbers = _numbers(before, after)
    return bool(numbers) and all(a == b or _is_later(a, b) for a, b in numbers)


def _is_name(text: str) -> bool:
    return _NAMES.fullmatch(text) is not None


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


def is_duration(before: str, after: str) -> bool:
    """Whether a text changed as a duration does if every tick is ``SLOWER`` times as long, or as a
    rate does.
    """
    clocks = list(zip(_CLOCK.finditer(before), _CLOCK.finditer(after), strict=False))
    if clocks and all(
        _grows(_seconds(a), _seconds(b), _last(a[3] + (a[4] or ""))) for a, b in clocks
    ):
        return _CLOCK.sub("", before) == _CLOCK.sub("", after)
    numbers = _numbers(before, after)
    lasts = zip(
        map(_last, _NUMBER.findall(before)), map(_last, _NUMBER.findall(after)), strict=False
    )
    return bool(numbers) and all(
        a == b or _grows(a, b, last) or _grows(b, a, other)
        for (a, b), (last, other) in zip(numbers, lasts, strict=True)
    )


def _grows(short: float, long: float, last: float) -> bool:
    """Whether ``long`` is ``SLOWER`` times ``short``, which is rounded to its place ``last``."""
    if not short and (last >= 1 or long < SHORTEST):
        return False  # a count, or no whole tick
    return abs(long - SLOWER * short) <= SLOWER * last / 2 + 1e-3 * long


def _last(number: str) -> float:
    """Return the value of one in the last place of a number as it is written."""
    digits, _, exponent = number.lower().partition("e")
    return float(10 ** (int(exponent or 0) - len(digits.partition(".")[2])))


def _seconds(clock: re.Match[str]) -> float:
    hours, minutes, seconds, part = clock.groups()
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds) + float(part or 0)


def _numbers(before: str, after: str) -> list[tuple[float, float]]:
    """Return the numbers of two texts that differ only in these; none if they differ otherwise."""
    if _NUMBER.sub("0", before) != _NUMBER.sub("0", after):
        return []
    a, b = _NUMBER.findall(before), _NUMBER.findall(after)
    return [(float(one), float(other)) for one, other in zip(a, b, strict=True)]
