"""Compares what two runs have printed and saved, value by value."""

import re
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from detaudit_probes.protocol import (
    ARRAY,
    LEARNED,
    NUMBER,
    PRINTED,
    TEXT,
    Content,
    Contents,
    Leaf,
)

#: A word of a text: what stands between blanks, commas and brackets; and a time of day as logging
#: writes it, with a comma.
WORD = re.compile(r"\d\d:\d\d:\d\d,\d{3}|[^\s,;=|()\[\]<>{}\"']+")
#: Formats that decide nothing if training steps were observed.
_TEXTS = ("plain_text",)
#: The names of days and months, as they are printed in dates.
DATE_WORDS = re.compile(
    r"(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?"
    r"|jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?",
    re.IGNORECASE,
)
_CHANGES = re.compile(r"[\d/\\]")  # in a word that another run may write in another way
_CHANGING = re.compile(r"[0-9a-f]{8,}|\d+")  # in a file's name


class Place(NamedTuple):
    """A value: the file's name, its place there and, of a text, the number of the word."""

    file: str
    place: str
    word: int | None = None


class Ignored(NamedTuple):
    """A value that is no result: in the value, what ``pattern`` matches does not count. Of a word
    of a text, the line's other words without digits must be ``others``, so that it is this line.
    """

    pattern: re.Pattern[str]
    others: tuple[str, ...] = ()


class Difference(NamedTuple):
    """A place at which two runs differ, with both values; None: the run has none."""

    place: Place
    left: Leaf | None
    right: Leaf | None


IgnoredPlaces = Mapping[Place, Ignored]
NOTHING_IGNORED: IgnoredPlaces = MappingProxyType({})


def key(place: Place) -> Place:
    """Return the place by which a value is ignored: the file's name may contain a time."""
    return place._replace(file=_CHANGING.sub("#", place.file))


def readable(place: Place) -> str:
    """Return a place as a reader would say it."""
    return ", ".join(filter(None, (place.file, place.place)))


def differing(
    left: Contents, right: Contents, trained: bool, ignored: IgnoredPlaces = NOTHING_IGNORED
) -> Iterator[Difference]:
    """Return the places at which two runs differ.

    If the runs ``trained`` in steps that were observed, only numbers and arrays in files count:
    what is printed, and other text, decides nothing then.
    """
    for one, other in _pairs(left.files, right.files):
        name = (one or other or _NO_FILE).name
        lefts, rights = _leaves(one, trained), _leaves(other, trained)
        for place in [*lefts, *(place for place in rights if place not in lefts)]:
            a, b = lefts.get(place), rights.get(place)
            if a != b:
                yield from _unlike(Place(name, place), a, b, ignored)


def judged(content: Content, trained: bool) -> bool:
    """Whether something in a file decides."""
    return bool(_leaves(content, trained))


def count(contents: Contents, trained: bool) -> int:
    """Return how many values decide."""
    return sum(len(_leaves(one, trained)) for one in contents.files)


def without_learned(contents: Contents) -> Contents:
    """Return the files, and what was printed, without what was learned by fits."""
    return Contents(tuple(one for one in contents.files if one.format != LEARNED))


def without_added(
    first: Contents, second: Contents, files: bool
) -> tuple[Contents, frozenset[str]]:
    """Return the second run's contents without the values that it has added to files of the first
    one, and the names of those files; without files that it has added too, if ``files``. An added
    fraction that the first run's file does not contain stays: it is another result.
    """
    of_name = {one.name: {leaf.place for leaf in one.leaves} for one in first.files}
    values = {one.name: {leaf.text for leaf in one.leaves} for one in first.files}
    kept, grown = [], set()
    for one in second.files:
        places = of_name.get(one.name)
        if one.name == PRINTED or one.format == LEARNED:
            kept.append(one)
            continue
        if places is None:
            kept += [] if files else [one]
            continue
        leaves = tuple(
            leaf
            for leaf in one.leaves
            if leaf.place in places or _is_new_fraction(leaf, values[one.name])
        )
        if len(leaves) < len(one.leaves):
            grown.add(one.name)
        kept.append(one._replace(leaves=leaves))
    return Contents(tuple(kept)), frozenset(grown)


def _is_new_fraction(leaf: Leaf, known: set[str]) -> bool:
    is_number = leaf.kind in (ARRAY, NUMBER) and not leaf.text.lstrip("-").isdigit()
    return is_number and leaf.text not in known


def words(text: str) -> list[str]:
    return WORD.findall(text)


def without_digits(text: str) -> tuple[str, ...]:
    """Return the words of a line that contain no digit, belong to no date and are no path: they say
    which line it is.
    """
    return tuple(
        word for word in words(text) if not _CHANGES.search(word) and not DATE_WORDS.fullmatch(word)
    )


_NO_FILE = Content("", "", ())


def _pairs(
    lefts: Sequence[Content], rights: Sequence[Content]
) -> Iterator[tuple[Content | None, Content | None]]:
    """Return the files of two runs that belong together: of one name; else of equal content; else,
    if there are equally many others, in their order, because a name may contain a time.
    """
    of_name = {one.name: one for one in rights}
    names = {one.name for one in lefts}
    free = [one for one in rights if one.name not in names]
    alone = []
    for one in lefts:
        if one.name in of_name:
            yield one, of_name[one.name]
            continue
        same = next((other for other in free if other.leaves == one.leaves), None)
        if same is None:
            alone.append(one)
        else:
            free.remove(same)
            yield one, same
    if len(alone) == len(free):
        yield from zip(alone, free, strict=True)
    else:
        yield from ((one, None) for one in alone)
        yield from ((None, one) for one in free)


def _leaves(content: Content | None, trained: bool) -> dict[str, Leaf]:
    """Return the values that decide, by their places; a second one at a place gets a number."""
    if content is None:
        return {}
    if trained and (content.name == PRINTED or content.format in _TEXTS):
        return {}
    found: dict[str, Leaf] = {}
    counts: dict[str, int] = {}
    for leaf in content.leaves:
        if trained and leaf.kind not in (ARRAY, NUMBER):
            continue
        counts[leaf.place] = number = counts.get(leaf.place, 0) + 1
        found[leaf.place if number == 1 else f"{leaf.place} ({number})"] = leaf
    return found


def _unlike(
    place: Place, left: Leaf | None, right: Leaf | None, ignored: IgnoredPlaces
) -> Iterator[Difference]:
    if left is None or right is None:
        yield Difference(place, left, right)
        return
    a, b = words(left.text), words(right.text)
    if (
        not left.kind == right.kind == TEXT
        or len(a) != len(b)
        or WORD.sub("", left.text) != WORD.sub("", right.text)
    ):
        if not _is_ignored(ignored.get(key(place)), left.text, right.text):
            yield Difference(place, left, right)
        return
    others = without_digits(left.text)
    for number, (one, other) in enumerate(zip(a, b, strict=True)):
        at = place._replace(word=number)
        found = ignored.get(key(at))
        if found is not None and found.others and found.others != others:
            found = None
        if one != other and not _is_ignored(found, one, other):
            yield Difference(at, left._replace(text=one), right._replace(text=other))


def _is_ignored(ignored: Ignored | None, left: str, right: str) -> bool:
    if ignored is None:
        return False
    return ignored.pattern.sub("", left) == ignored.pattern.sub("", right)
