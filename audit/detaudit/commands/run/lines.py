"""The lines of a text, with their ends as they are."""

import re
from collections.abc import Sequence


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
