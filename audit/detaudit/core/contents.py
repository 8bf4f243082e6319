"""Compares what two runs have printed and saved, value by value."""

import re
from collections.abc import Collection, Iterator, Sequence
from typing import NamedTuple

from detaudit_probes.protocol import ARRAY, NUMBER, PRINTED, TEXT, Content, Contents, Leaf

#: A word of a text: what stands between blanks, commas and brackets.
WORD = re.compile(r"[^\s,;=|()\[\]<>{}\"']+")
#: Formats whose numbers are results, whether or not training steps were observed. Other numbers are
#: part of a text.
_TEXTS = ("plain_text",)
_LEFT_OUT = "#"


class Place(NamedTuple):
    """A value: the file's name, its place there and, of a text, the number of the word."""

    file: str
    place: str
    word: int | None = None


def readable(place: Place) -> str:
    """Return a place as a reader would say it."""
    return ", ".join(filter(None, (place.file, place.place)))


def differing(
    left: Contents, right: Contents, trained: bool, beside: Collection[Place] = ()
) -> Iterator[tuple[Place, Leaf | None, Leaf | None]]:
    """Return the places at which two runs differ, with both values (None: the run has none).

    If the runs ``trained`` in steps that were observed, only numbers and arrays in files count:
    what is printed, and other text, decides nothing then. Places in ``beside`` are no results.
    """
    others = {one.name: one for one in right.files}
    names = _partners([one.name for one in left.files], list(others))
    mine = {one.name: one for one in left.files}
    for name in [*mine, *(name for name in names.values() if name not in mine)]:
        one = mine.get(name)
        other = others.get(next((theirs for theirs, ours in names.items() if ours == name), name))
        lefts, rights = _leaves(one, name, trained), _leaves(other, name, trained)
        for place in [*lefts, *(place for place in rights if place not in lefts)]:
            a, b = lefts.get(place), rights.get(place)
            if a != b:
                yield from _unlike(name, place, a, b, beside)


def judged(content: Content, trained: bool) -> bool:
    """Whether something in a file decides."""
    return bool(_leaves(content, content.name, trained))


def count(contents: Contents, trained: bool) -> int:
    """Return how many values decide."""
    return sum(len(_leaves(one, one.name, trained)) for one in contents.files)


def words(text: str) -> list[str]:
    return WORD.findall(text)


def _partners(lefts: Sequence[str], rights: Sequence[str]) -> dict[str, str]:
    """Return the left name of each file on the right. Those without a counterpart are paired in
    their order, if there are equally many: a name may contain a time.
    """
    alone = [name for name in lefts if name not in rights]
    unknown = [name for name in rights if name not in lefts]
    same = {name: name for name in rights if name in lefts}
    paired = dict(zip(unknown, alone, strict=True)) if len(alone) == len(unknown) else {}
    return {**{name: name for name in unknown}, **same, **paired}


def _leaves(content: Content | None, name: str, trained: bool) -> dict[str, Leaf]:
    if content is None or (trained and (name == PRINTED or content.format in _TEXTS)):
        return {}
    kinds = (ARRAY, NUMBER)
    return {leaf.place: leaf for leaf in content.leaves if not trained or leaf.kind in kinds}


def _unlike(
    name: str, place: str, left: Leaf | None, right: Leaf | None, beside: Collection[Place]
) -> Iterator[tuple[Place, Leaf | None, Leaf | None]]:
    if left is None or right is None or not left.kind == right.kind == TEXT:
        if Place(name, place) not in beside:
            yield Place(name, place), left, right
        return
    a, b = words(left.text), words(right.text)
    if len(a) != len(b) or WORD.sub(_LEFT_OUT, left.text) != WORD.sub(_LEFT_OUT, right.text):
        yield Place(name, place), left, right
        return
    for number, (one, other) in enumerate(zip(a, b, strict=True)):
        if one != other and Place(name, place, number) not in beside:
            yield Place(name, place, number), Leaf(place, TEXT, one), Leaf(place, TEXT, other)
