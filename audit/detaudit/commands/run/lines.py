"""The lines of a text, with their ends as they are."""

import difflib
import re
from collections.abc import Mapping, Sequence


def lines_of(text: str) -> list[str]:
    """Return the lines with their ends, as Python counts them: a form feed does not end a line."""
    return re.findall(r"[^\n]*\n|[^\n]+$", text)


def with_lines(text: str, count: int, lines: Sequence[str]) -> str:
    """Insert ``lines`` after the first ``count`` lines of a text."""
    old = lines_of(text)
    if count == 0:  # a first line that is a comment for the system or the editor stays first
        while count < min(2, len(old)) and old[count].startswith("#"):
            count += 1
    ending = "\r\n" if old and old[0].endswith("\r\n") else "\n"
    before = "".join(old[:count])
    if before and not before.endswith(("\n", "\r")):
        before += ending
    return "".join([before, *(line + ending for line in lines), *old[count:]])


def moved(draws: Mapping[int, int], before: str, after: str) -> dict[int, int]:
    """Return what belongs to lines of ``before``, for the same lines of ``after``, in which others
    were changed, added or removed.
    """
    matcher = difflib.SequenceMatcher(None, lines_of(before), lines_of(after), autojunk=False)
    place = {}
    for _, first, last, new_first, new_last in matcher.get_opcodes():
        for line in range(first, last):
            if new_last > new_first:
                place[line + 1] = min(new_first + line - first, new_last - 1) + 1
    return {place[line]: number for line, number in draws.items() if line in place}
