"""The text of the program's files by name, where every cell of a notebook is a file by itself."""

import ast
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from detaudit_probes import notebooks

from detaudit.errors import UsageError


def text_of(path: Path) -> str | None:
    """Return the text of a file, or of a notebook's cell, with its line ends unchanged; None if
    there is none, or it is not UTF-8.
    """
    holder, number = notebooks.parts(str(path))
    try:
        text = Path(holder).read_bytes().decode("utf-8")
        if number is None:
            return text
        codes = {one.number: one.code for one in notebooks.cells(text)}
        # Editors end a file with a line end, and a cell without one
        return codes[number] + "\n" if number in codes else None
    except (OSError, ValueError):  # among them UnicodeDecodeError
        return None


def names_of(name: str, root: Path) -> list[str]:
    """Return the names of a notebook's cells that contain statements; of another file, its own.
    Raises UsageError if it is no notebook.
    """
    if not name.endswith(notebooks.SUFFIX):
        return [name]
    return [notebooks.name(name, one.number) for one in _cells(root / name) if _has_code(one)]


def _has_code(cell: notebooks.Cell) -> bool:
    try:
        return bool(ast.parse(cell.code).body)
    except SyntaxError:
        return True


def put_back(
    texts: Mapping[str, str], root: Path, known: Mapping[str, str | None] = {}
) -> dict[str, str]:
    """Return these texts with those of cells in their notebooks, whose own texts are ``known`` or
    read.
    """
    changed: dict[str, dict[int, str]] = defaultdict(dict)
    files = {}
    for name, text in texts.items():
        holder, number = notebooks.parts(name)
        if number is None:
            files[name] = text
        else:
            changed[holder][number] = text.removesuffix("\n")
    for holder, codes in changed.items():
        whole = known.get(holder) or (root / holder).read_bytes().decode("utf-8")
        files[holder] = notebooks.with_codes(whole, codes)
    return files


def left_out(path: Path) -> str:
    """Return a sentence on what is not run of a notebook; empty if everything is. Raises UsageError
    if it cannot be run.
    """
    lines = [(cell.number, line) for cell in _cells(path) for line in cell.left_out]
    if not lines:
        return ""
    shown = "; ".join(f"{line} in cell {number}" for number, line in lines[:5])
    more = f"; and {len(lines) - 5} more" if len(lines) > 5 else ""
    return f"lines that only Jupyter understands are skipped: {shown}{more}"


def skips_programs(path: Path) -> bool:
    """Whether lines of a notebook are skipped that run programs, or code in another way. Raises
    UsageError if it cannot be run.
    """
    return any(notebooks.may_train(cell) for cell in _cells(path))


def _cells(path: Path) -> list[notebooks.Cell]:
    try:
        return notebooks.cells(path.read_bytes().decode("utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"{path.name} cannot be run: {error}.") from None
