"""Times, durations and ids in what a program writes: what a value is that changed in a certain way
when the clock was moved by ``LATER``, when its ticks became ``SLOWER`` times as long, or when every
answer of the system's entropy was one repeated byte.
"""

import re
from datetime import date, datetime, timezone

from detaudit.core.contents import DATE_WORDS, Ignored

DAY = 86400
LATER = 201 * DAY + 5 * 3600 + 13 * 60 + 17  # seconds: every part of a date and a time changes
SUMMER = 3600  # seconds by which local time may move in addition
SLOWER = 1000  # times the length of a tick: no result changes like this
SHORTEST = 10.0  # seconds of such a tick
UNITS = (1, 1e3, 1e6, 1e9)  # of a number of seconds since 1970
RECENT = 6 * 3600  # seconds since the beginning of an audit, at most
SHORTEST_ID, MOSTLY = 4, 0.8  # bytes, and the share of them that repeat

_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][-+]?\d+)?|\.\d+")
_CLOCK = re.compile(r"(?<!\d)(\d{1,2}):(\d\d):(\d\d)([.,]\d+)?(?!\d)")
_DATE = re.compile(r"(?<!\d)(\d{4})[-/.]?(\d\d)[-/.]?(\d\d)(?!\d)")
_STAMP = re.compile(r"(?<!\d)(\d{8})[-_T]?(\d{6})(?!\d)")
_ID = re.compile(r"[0-9a-f]{8}(?:-?[0-9a-f]{4,})*", re.IGNORECASE)
#: A unit of time, or of a rate, as programs print it after a number, or as the next word.
_UNIT = (
    r"(?:[mµun]?s(?:ecs?)?|seconds?|minutes?|hours?|milliseconds?|m?s/\w+|us/\w+|\w+/s(?:ec)?)[.:]?"
)
_DURATION = re.compile(rf"(?:{_NUMBER.pattern}){_UNIT}", re.IGNORECASE)
_ONLY_UNIT = re.compile(_UNIT, re.IGNORECASE)
#: A word in the name of a value that is a time, whatever else the name says.
_WORD_OF_TIME = re.compile(
    r"(?:date|run|wall|cpu|up)?times?|timestamps?|seconds?|secs?|latency|elapsed|durations?"
)
NAME_OF_TIME = re.compile(
    r"time|second|latency|elapsed|duration|(?<![a-z])sec|_s(?![a-z])", re.IGNORECASE
)
#: What does not count in a value that contains a stamp, a duration, an id; in a path, all of it.
IN_STAMP = re.compile(
    rf"{_STAMP.pattern}|{_CLOCK.pattern}|{_DATE.pattern}|\d{{9,}}(?:\.\d+)?|{DATE_WORDS.pattern}",
    re.IGNORECASE,
)
WHOLE = re.compile(r".+", re.DOTALL)


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
    return Ignored(_NUMBER if _NUMBER.fullmatch(before) else IN_STAMP)


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
    if is_name(before) and is_name(after):
        return True
    numbers = _numbers(before, after)
    return bool(numbers) and all(a == b or _is_later(a, b) for a, b in numbers)


def is_name(text: str) -> bool:
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
    numbers, unit = _numbers(before, after), has_unit(before, following)
    lasts = zip(
        map(_last, _NUMBER.findall(before)), map(_last, _NUMBER.findall(after)), strict=False
    )
    grown = bool(numbers) and all(
        a == b
        or _grows(a, b, last, unit)
        or (unit and _grows(b, a, other, unit))
        or (is_called_a_time(following) and _vanishes(b, last))
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


def _vanishes(long: float, last: float) -> bool:
    """Whether a spread of durations became zero: with long ticks, all take equally many. (A whole
    number, whose ``last`` place is 1, may be a count.)
    """
    return not long and last < 1


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


# Without an experiment ---------------------------------------------------------------------------


def is_present(text: str) -> bool:
    """Whether a text is the present date, or time of day, here or in UTC; or both, with a T between
    them.
    """
    first, between, second = text.partition("T")
    if between and second:
        return is_present(first) and is_present(second)
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


def is_called_a_time(place: str) -> bool:
    """Whether the last name in a place contains a word such as "time" or "seconds": "row 1,
    mean_fit_time", but not "timeseries.loss".
    """
    names = [name for name in re.split(r"[^A-Za-z0-9_]+", place) if re.search("[A-Za-z]", name)]
    words = re.split(r"[^a-z]+", names[-1].lower()) if names else []
    return any(map(_WORD_OF_TIME.fullmatch, words))


def has_unit(word: str, following: str) -> bool:
    """Whether a word is a number with a unit of time; ``following`` is the next word, or the name
    of the value.
    """
    if _DURATION.fullmatch(word):
        return True
    named = _ONLY_UNIT.fullmatch(following) or NAME_OF_TIME.search(following)
    return bool(_NUMBER.fullmatch(word) and named)
