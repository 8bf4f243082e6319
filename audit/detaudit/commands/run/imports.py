"""The imports of a script: which there are, where another one belongs, and where they end, as isort
and ruff want them.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from detaudit.commands.run.lines import lines_of

#: The package ``tf_keras`` is Keras 2; ``keras.`` in an edit applies to it as to any other Keras.
KERAS_2 = "tf_"
#: Settings that scripts make between imports, because a later import reads them.
SETTINGS = r"os\.(environ|putenv)\b|warnings\.|logging\.|matplotlib\.use\b|sys\.path\b"
#: The marks of a cell in a script.
CELL = re.compile(r"# ?(%%|In\[)")
_FUTURE, _STANDARD, _OTHER, _LOCAL = range(4)  # the sections, in their order


class Imported(NamedTuple):
    """The first part of an imported module's name, and its ``name`` in the script; None for ``from
    module import ...``. ``first_line`` and ``last_line`` are those of the statement.
    """

    module: str
    name: str | None
    first_line: int
    last_line: int

    @property
    def package(self) -> str:
        return self.module.removeprefix(KERAS_2)


class Insertion(NamedTuple):
    """Lines that are inserted after so many lines of a text."""

    count: int
    lines: Sequence[str]


def all_imports(tree: ast.Module) -> Iterable[Imported]:
    """Yield what the module imports whenever it runs: first in its own statements, then inside
    choices (``if``, ``try``).
    """
    for statement in tree.body:
        yield from _imports_of(statement, statement)
    for statement in tree.body:
        for inner in _choices(statement):
            yield from _imports_of(inner, statement)


def _choices(statement: ast.stmt) -> Iterator[ast.stmt]:
    """Yield the statements inside an ``if`` or ``try``, but not those that may never run when the
    script does: for a type checker, or only in the main program.
    """
    if not isinstance(statement, (ast.If, ast.Try)) or _is_guard(statement):
        return
    handlers = statement.handlers if isinstance(statement, ast.Try) else []
    handled = [one for handler in handlers for one in handler.body]
    for inner in [*statement.body, *handled, *statement.orelse]:
        yield inner
        yield from _choices(inner)


def _is_guard(statement: ast.stmt) -> bool:
    words = ("TYPE_CHECKING", "__name__")
    return isinstance(statement, ast.If) and any(
        word in ast.unparse(statement.test) for word in words
    )


def _imports_of(node: ast.stmt, statement: ast.stmt) -> Iterable[Imported]:
    place = statement.lineno, statement.end_lineno or 0
    if isinstance(node, ast.Import):
        for alias in node.names:
            module = alias.name.partition(".")[0]
            # ``import a.b as c`` does not bind a
            if alias.asname is None or "." not in alias.name:
                yield Imported(module, alias.asname or module, *place)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield Imported(node.module.partition(".")[0], None, *place)


def first_of(tree: ast.Module, packages: Sequence[str]) -> Imported | None:
    """Return the first import of one of these packages."""
    return next((one for one in all_imports(tree) if one.package in packages), None)


def find_import(tree: ast.Module, module: str, before: int | None = None) -> Imported | None:
    """Return the import that does the same as ``import module``, above the line ``before``."""
    found = (one for one in all_imports(tree) if one.module == one.name == module)
    return next((one for one in found if before is None or one.last_line < before), None)


def is_bound_otherwise(tree: ast.Module, module: str) -> bool:
    """Whether the script gives the module's name to something else, as ``from random import
    random`` does.
    """
    for statement in tree.body:
        for node in [statement, *_choices(statement)]:
            if isinstance(node, ast.ImportFrom):
                names = [alias.asname or alias.name for alias in node.names]
            elif isinstance(node, ast.Import):
                names = [one.asname for one in node.names if one.asname and one.name != module]
            elif isinstance(node, (ast.FunctionDef, ast.ClassDef)):
                names = [node.name]
            elif isinstance(node, ast.Assign):
                names = [one.id for one in node.targets if isinstance(one, ast.Name)]
            else:
                names = []
            if module in names:
                return True
    return False


def without_unused(before: str, after: str, around: str = "") -> str:
    """Return ``after`` without the imports of names that ``before`` uses, and it no longer does;
    ``around`` is other text that may use them.
    """
    tree, lines = ast.parse(after), lines_of(after)
    imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    inside = {line for node in imports for line in range(node.lineno, (node.end_lineno or 0) + 1)}
    rest = (line for number, line in enumerate(lines, 1) if number not in inside)
    used = {node.id for node in ast.walk(ast.parse(before)) if isinstance(node, ast.Name)}
    gone = used.difference(re.findall(r"\w+", "".join([*rest, around])))
    for node in reversed(imports):
        kept = [one for one in node.names if (one.asname or one.name.partition(".")[0]) not in gone]
        line = lines[node.lineno - 1]
        alone = node.lineno == node.end_lineno and node.col_offset == 0 and ";" not in line
        if len(kept) == len(node.names) or not alone:
            continue
        if kept:
            node.names = kept
            lines[node.lineno - 1] = ast.unparse(node) + line[node.end_col_offset :]
        else:
            _remove(lines, node.lineno - 1)
    return "".join(lines)


def _remove(lines: list[str], place: int) -> None:
    """Remove a line, and the empty one behind it if an empty one, or nothing, stands before it."""
    before, behind = lines[place - 1 : place], lines[place + 1 : place + 2]
    is_first = not place or (bool(before) and not before[0].strip())
    both = is_first and bool(behind) and not behind[0].strip()
    del lines[place : place + 1 + both]


def top(tree: ast.Module) -> int:
    """Return how many lines precede the first statement that is neither the docstring nor a
    ``__future__`` import.
    """
    last = 0
    for place, node in enumerate(tree.body):
        docstring = (
            place == 0
            and isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        )
        if docstring or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            last = node.end_lineno or last
            continue
        break
    return last


def end_of_imports(tree: ast.Module, line: int) -> int:
    """Return the last line of the imports that follow each other from ``line`` on; settings for a
    later one are no break.
    """
    later = [node for node in tree.body if (node.end_lineno or 0) > line]
    row = takewhile(lambda node: _is_import(node) or _is_setting(node), later)
    last = max((node.end_lineno or 0 for node in row if _is_import(node)), default=line)
    # Another statement may begin on the same line
    return max([last, *(node.end_lineno or 0 for node in tree.body if node.lineno <= last)])


def _is_setting(node: ast.stmt) -> bool:
    is_simple = isinstance(node, (ast.Assign, ast.Expr))
    return is_simple and re.match(SETTINGS, ast.unparse(node)) is not None


def _is_import(node: ast.stmt) -> bool:
    """Whether a statement imports, perhaps one thing or another, and does nothing else."""
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    if not isinstance(node, (ast.If, ast.Try)) or _is_main(node):
        return False
    plain = (ast.Import, ast.ImportFrom, ast.Assign, ast.Pass, ast.If, ast.Try)
    return any(map(_is_import, node.body)) and all(isinstance(one, plain) for one in node.body)


def _is_main(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and "__name__" in ast.unparse(node.test)


def sorted_in(text: str, tree: ast.Module, module: str) -> Insertion:
    """Return the insertion of ``import module``, of Python's standard library, where it belongs
    among the first imports; without imports, below the docstring.
    """
    line, row = f"import {module}", list(_first_row(tree))
    mine = _first_group([node for node in row if _section(_module(node)) == _STANDARD], text)
    above = [
        node
        for node in mine
        if isinstance(node, ast.Import) and _order(_module(node)) < _order(module)
    ]
    if above:
        return Insertion(above[-1].end_lineno or 0, [line])
    if mine:
        return Insertion(_start(text, tree, mine[0]), [line])
    later = [node for node in row if _section(_module(node)) > _STANDARD]
    if later:
        return Insertion(_start(text, tree, later[0]), [line, ""])
    if row:
        return Insertion(row[-1].end_lineno or 0, ["", line])
    place = top(tree)
    return Insertion(place, ["", line] if place else [line])


def at_the_end(tree: ast.Module, module: str) -> Insertion:
    """Return the insertion of ``import module`` below all imports at the top: what stands there may
    be made for it.
    """
    place, line = end_of_imports(tree, top(tree)), f"import {module}"
    above = [node for node in tree.body if (node.end_lineno or 0) <= place and _is_import(node)]
    last = above[-1] if above else None
    other = isinstance(last, (ast.Import, ast.ImportFrom)) and _section(_module(last)) == _OTHER
    return Insertion(place, [line] if other or not place else ["", line])


def _order(module: str) -> tuple[str, str]:
    return module.lower(), module


def _first_group(nodes: Sequence[ast.stmt], text: str) -> list[ast.stmt]:
    """Return the first statements without an empty line between them."""
    lines, group = lines_of(text), list(nodes[:1])
    for node in nodes[1:]:
        if any(not line.strip() for line in lines[(group[-1].end_lineno or 0) : node.lineno - 1]):
            break
        group.append(node)
    return group


def _start(text: str, tree: ast.Module, node: ast.stmt) -> int:
    """Return how many lines precede a statement and its comment; a header of the file, and the mark
    of a cell, are no comment on it.
    """
    lines, count = lines_of(text), node.lineno - 1
    end = max((one.end_lineno or 0 for one in tree.body if one.lineno < node.lineno), default=0)
    while count > end and lines[count - 1].startswith("#"):
        if CELL.match(lines[count - 1]):
            return node.lineno - 1
        count -= 1
    return count or node.lineno - 1


def _first_row(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the first imports that follow each other, those from ``__future__`` among them."""
    found = False
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found = True
            yield node
        elif found:
            return


def _module(node: ast.stmt) -> str:
    if isinstance(node, ast.ImportFrom):
        return "." * node.level + (node.module or "")
    assert isinstance(node, ast.Import)
    return node.names[0].name


def _section(module: str) -> int:
    if module == "__future__" or module.startswith("."):
        return _FUTURE if module == "__future__" else _LOCAL
    return _STANDARD if is_standard(module) else _OTHER


def is_standard(module: str) -> bool:
    return module.partition(".")[0] in sys.stdlib_module_names
