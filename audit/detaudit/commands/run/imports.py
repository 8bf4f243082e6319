"""The imports of a script: which there are, where another one belongs, and the first line behind
them, as isort and ruff want them.
"""

import ast
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import takewhile
from typing import NamedTuple

from detaudit.commands.run.lines import lines_of, with_lines

#: The package ``tf_keras`` is Keras 2; ``keras.`` in an edit applies to it as to any other Keras.
KERAS_2 = "tf_"
#: What programs do between imports, for one that follows.
SETTINGS = r"os\.(environ|putenv)\b|warnings\.|logging\.|matplotlib\.use\b|sys\.path\b"
_FUTURE, _STANDARD, _OTHER, _LOCAL = range(4)  # the sections, in their order


class Imported(NamedTuple):
    """The first part of an imported module's name, and its ``name`` in the script; None for ``from
    module import ...``. ``last_line`` is that of the statement, after which lines can be inserted.
    """

    module: str
    name: str | None
    last_line: int

    @property
    def package(self) -> str:
        return self.module.removeprefix(KERAS_2)


def every(tree: ast.Module) -> Iterable[Imported]:
    """Yield what the module imports: first in its own statements, then inside choices (``if``,
    ``try``).
    """
    for statement in tree.body:
        yield from _of(statement, statement)
    for statement in tree.body:
        if isinstance(statement, (ast.If, ast.Try)):
            for inner in ast.walk(statement):
                yield from _of(inner, statement)


def _of(node: ast.AST, statement: ast.stmt) -> Iterable[Imported]:
    last_line = statement.end_lineno or 0
    if isinstance(node, ast.Import):
        for alias in node.names:
            module = alias.name.partition(".")[0]
            # ``import a.b as c`` does not bind a
            if alias.asname is None or "." not in alias.name:
                yield Imported(module, alias.asname or module, last_line)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield Imported(node.module.partition(".")[0], None, last_line)


def first_of(tree: ast.Module, packages: Sequence[str]) -> Imported | None:
    """Return the first import of one of these packages."""
    return next((one for one in every(tree) if one.package in packages), None)


def known(tree: ast.Module, module: str) -> Imported | None:
    """Return the import in a script that does the same as ``import module``, if there is one."""
    return next((one for one in every(tree) if one.module == one.name == module), None)


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


def behind(text: str, line: int, new: Sequence[str]) -> str:
    """Insert the lines ``new`` behind the imports without a break that the one ending on ``line``
    belongs to: after an empty line, and directly before a call that sets a seed there.
    """
    if not new:
        return text
    last = _row_end(ast.parse(text), line)
    following = lines_of(text)[last : last + 2]
    if len(following) == 2 and not following[0].strip() and _sets_seed(following[1]):
        return with_lines(text, last + 1, new)
    return with_lines(text, last, ["", *new])


def _sets_seed(line: str) -> bool:
    return re.match(r"[\w.]*seed\w*\(", line) is not None


def _row_end(tree: ast.Module, line: int) -> int:
    """Return the last line of the imports without a break from ``line`` on; what is set for a later
    one, such as a variable, is no break.
    """
    rest = [node for node in tree.body if (node.end_lineno or 0) > line]
    row = takewhile(lambda node: _is_import(node) or _is_setting(node), rest)
    return max((node.end_lineno or 0 for node in row if _is_import(node)), default=line)


def _is_setting(node: ast.stmt) -> bool:
    return (
        isinstance(node, (ast.Assign, ast.Expr))
        and re.match(SETTINGS, ast.unparse(node)) is not None
    )


def _is_import(node: ast.stmt) -> bool:
    """Whether a statement imports, perhaps one thing or another."""
    choices = node.body if isinstance(node, (ast.If, ast.Try)) else []
    return isinstance(node, (ast.Import, ast.ImportFrom)) or any(map(_is_import, choices))


def with_import(text: str, module: str) -> str:
    """Return the text with ``import module`` where it belongs in the first row of imports; without
    imports, behind the docstring.
    """
    tree, line = ast.parse(text), f"import {module}"
    row, section = list(_first_row(tree)), _section(module)
    mine = _first_group([node for node in row if _section(_module(node)) == section], text)
    before = [node for node in mine if isinstance(node, ast.Import) and _module(node) < module]
    if before:
        return with_lines(text, before[-1].end_lineno or 0, [line])
    if mine:
        return with_lines(text, _start(text, mine[0]), [line])
    later = [node for node in row if _section(_module(node)) > section]
    if later:
        return with_lines(text, _start(text, later[0]), [line, ""])
    if row:
        return with_lines(text, row[-1].end_lineno or 0, ["", line])
    place, lines = top(tree), lines_of(text)
    gap = [""] if place < len(lines) and lines[place].strip() else []
    return with_lines(text, place, ["", line, *gap] if place else [line, *gap])


def _first_group(nodes: Sequence[ast.stmt], text: str) -> list[ast.stmt]:
    """Return the first statements without an empty line between them: below it may be those of the
    project itself.
    """
    lines, group = lines_of(text), list(nodes[:1])
    for node in nodes[1:]:
        if any(not one.strip() for one in lines[(group[-1].end_lineno or 0) : node.lineno - 1]):
            break
        group.append(node)
    return group


def _start(text: str, node: ast.stmt) -> int:
    """Return how many lines precede a statement and the comments directly above it."""
    lines, count = lines_of(text), node.lineno - 1
    while count and lines[count - 1].startswith("#") and count > 2:
        count -= 1
    return count


def _first_row(tree: ast.Module) -> Iterator[ast.stmt]:
    """Yield the first imports without a break, those from ``__future__`` among them."""
    row = False
    for node in tree.body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            row = True
            yield node
        elif row:
            return


def _module(node: ast.stmt) -> str:
    if isinstance(node, ast.ImportFrom):
        return "." * node.level + (node.module or "")
    assert isinstance(node, ast.Import)
    return node.names[0].name


def _section(module: str) -> int:
    if module == "__future__" or module.startswith("."):
        return _FUTURE if module == "__future__" else _LOCAL
    return _STANDARD if module.partition(".")[0] in sys.stdlib_module_names else _OTHER
