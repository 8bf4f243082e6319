"""What pins the randomness of a library best: an argument of the library's own, at the user's call.

A constant seed is given only to a call that the program makes once, as far as its text shows: the
same seed in every round of a loop would make all rounds alike.
"""

import ast
from collections.abc import Collection, Iterator

from detaudit_probes.libraries import Library

from detaudit.commands.run import edits
from detaudit.commands.run.edits import Splice, parsed, span, splice, with_argument
from detaudit.commands.run.syntax import last_name, made_again

MOST_CALLS = 3  # that are given an argument: beyond that, one seed at the top is shorter


def edited(
    text: str, library: Library, lines: Collection[int], seed: int, around: str = ""
) -> str | None:
    """Return ``text`` with the library's argument at the calls on these lines that lack it, or at
    all of them if none is there, because a library may draw later. None if there is no such call,
    or one that may be made more often than once and would be given a seed.

    ``around`` is other text in which names are defined that this one uses.
    """
    try:
        tree, others = ast.parse(text), ast.parse(around)
    except SyntaxError:
        return None
    lacking = _lacking(tree, others, library, lines)
    if not lacking or len(lacking) > MOST_CALLS:
        return None
    again = made_again(tree) if library.is_seed else set()
    if any(call in again for call in lacking):
        return None
    package = _package(tree, library.package) or _package(others, library.package)
    values = [
        library.value.format(seed=seed + number, package=package or library.package)
        for number in range(len(lacking))
    ]
    splices = [_with(text, *one, library) for one in zip(lacking, values, strict=True)]
    new = parsed(splice(text, splices))
    if new is None or package is not None or "{package}" not in library.value:
        return new
    return edits.insert(new, [f"import {library.package}"], (library.package,))


def changed_calls(
    text: str, library: Library, lines: Collection[int], around: str = ""
) -> list[tuple[int, str]]:
    """Return the line and the name of each call that :func:`edited` changes in the same text."""
    calls = _lacking(ast.parse(text), ast.parse(around), library, lines)
    return [(call.lineno, last_name(call.func)) for call in calls]


def _lacking(
    tree: ast.AST, others: ast.AST, library: Library, lines: Collection[int]
) -> list[ast.Call]:
    """Return the library's calls that lack the argument: those on these lines, or else all."""
    names = _names(tree, library.package) | _names(others, library.package)
    calls = [call for call in _calls(tree) if _is_of(call, library, names)]
    lacking = [call for call in calls if _lacks(call, library)]
    here = [call for call in lacking if any(call.lineno <= line <= _end(call) for line in lines)]
    return here or lacking


def _package(tree: ast.AST, package: str) -> str | None:
    """Return the name under which a script has imported a package itself; None if it has not."""
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.Import))
    aliases = (alias for node in imports for alias in node.names)
    return next((one.asname or one.name for one in aliases if one.name == package), None)


def _end(node: ast.expr) -> int:
    return node.end_lineno or node.lineno


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _names(tree: ast.AST, package: str) -> set[str]:
    """Return the names under which the script knows the package, its modules or its functions."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if package in parts[:2]:  # tensorflow.keras
                    found.add(alias.asname or parts[0])
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                if package in (*node.module.split(".")[:2], alias.name):
                    found.add(alias.asname or alias.name)
    return found


def _is_of(call: ast.Call, library: Library, names: set[str]) -> bool:
    return last_name(call.func) in library.calls and _root(call) in names


def _root(call: ast.Call) -> str:
    """Return the first name of the called function's path; empty if it is not a path of names."""
    node = call.func
    while isinstance(node, ast.Attribute):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _lacks(call: ast.Call, library: Library) -> bool:
    """Whether the call may be given the argument: it has none, or None, as far as it is written
    out.
    """
    given = {one.arg: one.value for one in call.keywords}
    if None in given or library.unless & given.keys():
        return False
    if last_name(call.func) in library.shuffling:
        shuffle = given.get("shuffle")
        if not (isinstance(shuffle, ast.Constant) and shuffle.value is True):
            return False
    return library.argument not in given or _is_none(given[library.argument])


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _with(text: str, call: ast.Call, value: str, library: Library) -> Splice:
    for keyword in call.keywords:
        if keyword.arg == library.argument:
            return Splice(*span(text, keyword.value), value)
    return with_argument(text, call, f"{library.argument}={value}")
