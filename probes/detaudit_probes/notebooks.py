"""Jupyter notebooks: their code cells, and a run of one cell after the other in a new process, as
"Restart and Run All" does it.

Every cell is a file by itself, ``train.ipynb[3]``, whose number is the one that Jupyter shows
beside a cell after it ran everything. What only Jupyter understands is replaced by a comment.
"""

import ast
import builtins
import difflib
import inspect
import json
import linecache
import os
import re
import sys
import traceback
import types
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

SUFFIX = ".ipynb"
_LOOPS = []  # type: List[Any]  # the loop of the cells that wait for coroutines
_CELL = re.compile(r"(.+\.ipynb)\[(\d+)\]", re.DOTALL)
#: Lines that call Jupyter or a shell, or ask for help; the result may be given a name.
_MAGIC = re.compile(r"\s*([%!?]|[^=#]+=\s*[%!]|[\w.]+\?\??\s*$|(pip3?|conda)\s+install\b)")
#: Magics of one line, and of a cell, that only time or show what they are given.
_TIMED = re.compile(r"(\s*)%time\s(.+)")
_AROUND = re.compile(r"%%(time|capture|prun)\b")
_INSTALLS = re.compile(
    r"\s*[%!]?\s*(\S*pip3?|\S*conda|mamba|uv|apt|apt-get|(\S*python3?|\{sys.executable\}) -m pip)\s"
)


#: Lines that are left out although they may train: they run other programs or code.
_RUNS = re.compile(
    r"\s*(!|[^=#]+=\s*!|%(run|timeit|sx|system)\b|%%(?!html|markdown|latex|javascript|js|svg))"
)


class Cell(NamedTuple):
    """A code cell as it is run; ``left_out`` are its lines that only Jupyter understands, without
    those that install packages.
    """

    number: int
    code: str
    left_out: Tuple[str, ...] = ()


def cells(text: str) -> List[Cell]:
    """Return the code cells that are not empty, in their order. Raises ValueError, with a sentence,
    if ``text`` is no notebook in Python.
    """
    notebook = _read(text)
    sources = [_source(one) for one in notebook["cells"] if one.get("cell_type") == "code"]
    filled = [one for one in sources if one.strip()]
    return [Cell(number, *_plain(source)) for number, source in enumerate(filled, 1)]


def _read(text: str) -> Dict[str, Any]:
    try:
        notebook = json.loads(text[1:] if text.startswith("\ufeff") else text)
        about = notebook.get("metadata") or {}
        named = [
            (about.get(part) or {}).get(word)
            for part, word in (("kernelspec", "language"), ("language_info", "name"))
        ]
        language = str(next(filter(None, named), "python"))
        for cell in notebook["cells"]:
            _source(cell)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise ValueError("it is not a Jupyter notebook (nbformat 4)") from None
    if language.lower() not in ("python", "python3", "ipython"):
        raise ValueError("it is written in %s, not in Python" % language)
    return notebook


def _source(cell: Dict[str, Any]) -> str:
    source = cell["source"]
    return source if isinstance(source, str) else "".join(source)


def may_train(cell: Cell) -> bool:
    """Whether a line of the cell that is left out runs a program, or code in another way."""
    return any(_RUNS.match(line) for line in cell.left_out)


def with_codes(text: str, codes: Dict[int, str]) -> str:
    """Return a notebook's text with other code in the cells of these numbers; lines that are
    unchanged keep their magics.
    """
    notebook, number = _read(text), 0
    for cell in notebook["cells"]:
        if cell.get("cell_type") == "code" and _source(cell).strip():
            number += 1
            if number in codes:
                lines = _with_magics(_source(cell), codes[number])
                cell["source"] = lines if isinstance(cell["source"], list) else "".join(lines)
    spaces = re.match(r"\ufeff?\{\r?\n( +)", text)
    indent = len(spaces.group(1)) if spaces is not None else 1
    end = "\n" if text.endswith("\n") else ""
    begin = "\ufeff" if text.startswith("\ufeff") else ""
    new = begin + json.dumps(notebook, indent=indent, ensure_ascii=False) + end
    try:
        new.encode("utf-8")
    except UnicodeEncodeError:  # half a character, which only an escape can write
        new = begin + json.dumps(notebook, indent=indent) + end
    return new


def _with_magics(source: str, code: str) -> List[str]:
    """Return the lines of ``code``, those that it has in common with a cell's as in its source."""
    before = _plain(source)[0].split("\n")
    after, written = code.split("\n"), source.split("\n")
    found = []  # type: List[str]
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    for kind, start, stop, first, last in matcher.get_opcodes():
        found += written[start:stop] if kind == "equal" else after[first:last]
    return [line + "\n" for line in found[:-1]] + found[-1:]


def name(path: str, number: int) -> str:
    """Return the name of a cell."""
    return "%s[%d]" % (path, number)


def parts(name: str) -> Tuple[str, Optional[int]]:
    """Return the path of a cell's notebook, and the cell's number; of another name, itself and
    None.
    """
    found = _CELL.fullmatch(name)
    return (found.group(1), int(found.group(2))) if found is not None else (name, None)


# Magics -------------------------------------------------------------------------------------------


def _plain(source: str) -> Tuple[str, Tuple[str, ...]]:
    """Return a cell's code with its magics as comments, and those that are to be reported."""
    lines, left_out = source.split("\n"), []  # type: List[str], List[str]
    first = next(number for number, line in enumerate(lines) if line.strip())
    if lines[first].startswith("%%"):
        magic = lines[first]
        if not _AROUND.match(magic):
            return "\n".join("# " + line for line in lines), (magic,)
        # Nothing may be inserted above it
        lines[: first + 1] = ["#"] * first + ["# " + magic]
    number = _magic_at_fault(lines)
    while number is not None:
        magic = lines[number]
        timed = _TIMED.fullmatch(magic)
        if timed is not None:
            lines[number] = timed.group(1) + timed.group(2)
        else:
            indent = magic[: len(magic) - len(magic.lstrip())]
            lines[number] = "%spass  # %s" % (indent, magic.strip())
            if not _INSTALLS.match(magic):
                left_out.append(magic.strip())
            while lines[number].endswith("\\") and number + 1 < len(lines):
                number += 1
                lines[number] = "# " + lines[number]
        number = _magic_at_fault(lines)
    return "\n".join(lines), tuple(left_out)


def _magic_at_fault(lines: List[str]) -> Optional[int]:
    """Return the index of the line that keeps the code from being Python, if it is a magic."""
    try:
        ast.parse("\n".join(lines))
    except SyntaxError as error:
        for number in range(min(error.lineno or 0, len(lines)) - 1, -1, -1):
            if _MAGIC.match(lines[number]):
                return number
    except ValueError:  # a null byte
        pass
    return None


# In the process of the program --------------------------------------------------------------------


def run() -> None:
    """Run the notebook that the first argument names, as the program of this process."""
    del sys.argv[0]
    path = os.path.abspath(sys.argv[0])
    with open(path, "rb") as file:
        found = cells(file.read().decode("utf-8"))
    main = types.ModuleType("__main__")
    sys.modules["__main__"] = main
    if not hasattr(builtins, "display"):
        builtins.display = print  # type: ignore[attr-defined]
    for cell in found:
        try:
            _execute(cell.code, name(path, cell.number), vars(main))
        except Exception:
            traceback.print_exc()  # the interpreter itself would not show lines of a cell
            sys.exit(1)


def _execute(code: str, name: str, namespace: Dict[str, Any]) -> None:
    """Run a cell, and print the value of its last expression, as Jupyter shows it."""
    linecache.cache[name] = (len(code), None, code.splitlines(True), name)
    tree = ast.parse(code, name)
    last = tree.body.pop() if _shows_its_end(tree, code) else None
    _evaluated(tree, name, "exec", namespace)
    if last is not None:
        value = _evaluated(ast.Expression(last.value), name, "eval", namespace)
        if value is not None:
            print(repr(value))


def _evaluated(tree: Any, name: str, mode: str, namespace: Dict[str, Any]) -> Any:
    """Run code, which may wait for coroutines (Python 3.8 and newer), and return its value."""
    code = compile(tree, name, mode, getattr(ast, "PyCF_ALLOW_TOP_LEVEL_AWAIT", 0))
    value = eval(code, namespace)
    if not code.co_flags & inspect.CO_COROUTINE:
        return value
    if not _LOOPS:
        import asyncio

        _LOOPS.append(asyncio.new_event_loop())
    return _LOOPS[0].run_until_complete(value)


def _shows_its_end(tree: Any, code: str) -> bool:
    shows = bool(tree.body) and isinstance(tree.body[-1], ast.Expr)
    return shows and not code.rstrip().endswith(";")
