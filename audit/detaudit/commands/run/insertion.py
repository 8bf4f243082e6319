"""Takes addresses out of a program's orders: a dictionary without values in place of a set of
objects, which is iterated in the order of insertion; numbers in place of ``id`` and ``hash``.
"""

import ast
from collections.abc import Collection, Sequence

from detaudit.commands.run import edits
from detaudit.commands.run.edits import Splice, calls_at, last_name, parsed, source_of, span, splice
from detaudit.commands.run.syntax import Parents, parents_in

#: What a dictionary has in place of the methods of a set; ``{0}`` is the argument.
METHODS = {
    "add": "{owner}[{0}] = None",
    "discard": "{owner}.pop({0}, None)",
    "remove": "del {owner}[{0}]",
    "update": "{owner}.update(dict.fromkeys({0}))",
    "clear": "{owner}.clear()",
    "copy": "{owner}.copy()",
}
STATEMENTS = ("add", "remove")  # whose form is no expression


def in_order(text: str, lines: Collection[int]) -> str | None:
    """Return ``text`` with dictionaries in place of the sets that these lines make or use; None if
    there is none, or one that the program uses in a way that a dictionary does not have.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    parents = parents_in(tree)
    names = {
        last_name(node)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Name, ast.Attribute)) and node.lineno in lines
    }
    splices: list[Splice] = []
    for made in filter(_is_new_set, ast.walk(tree)):
        assert isinstance(made, ast.expr)
        end = made.end_lineno or made.lineno
        here = any(made.lineno <= line <= end for line in lines)
        target = _target(parents[made])
        if not here and (target is None or last_name(target) not in names):
            continue
        splices.append(Splice(*span(text, made), _as_keys(text, made)))
        if target is not None:
            changes = _changed_uses(text, tree, target, parents)
            if changes is None:
                return None
            splices += changes
    return parsed(splice(text, set(splices))) if splices else None


def _is_new_set(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "set":
        return len(node.args) < 2 and not node.keywords
    return isinstance(node, (ast.Set, ast.SetComp))


def _target(parent: ast.AST) -> ast.expr | None:
    """Return the name, or the attribute, to which a statement gives the value in it."""
    match parent:
        case ast.Assign(targets=[ast.Name() | ast.Attribute() as target]):
            return target
        case ast.AnnAssign(target=ast.Name() | ast.Attribute() as target):
            return target
        case _:
            return None


def _as_keys(text: str, made: ast.expr) -> str:
    if isinstance(made, ast.Call):
        return f"dict.fromkeys({source_of(text, made.args[0])})" if made.args else "{}"
    inside = source_of(text, made)[1:-1]
    return f"dict.fromkeys({inside if isinstance(made, ast.SetComp) else f'[{inside}]'})"


def _changed_uses(
    text: str, tree: ast.Module, target: ast.expr, parents: Parents
) -> list[Splice] | None:
    """Return the changes of what is called on a set with this name, in the function that makes it;
    on an attribute, in the whole text. None if a dictionary has nothing like it.
    """
    scope: ast.AST = target
    while not isinstance(scope, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Module)):
        scope = parents[scope]
    if isinstance(target, ast.Attribute):
        scope = tree
    splices = []
    for node in ast.walk(scope):
        same = type(node) is type(target) and last_name(node) == last_name(target)
        if not same:
            continue
        parent = parents[node]
        match parent:
            case ast.AnnAssign(annotation=annotation) if parent.target is node:
                splices.append(Splice(*span(text, annotation), _as_type(text, annotation)))
            case ast.BinOp() | ast.AugAssign():
                return None
            case ast.Attribute():
                change = _changed_call(text, node, parent, parents)
                if change is None:
                    return None
                splices.append(change)
    return splices


def _as_type(text: str, annotation: ast.expr) -> str:
    if isinstance(annotation, ast.Subscript):
        return f"dict[{source_of(text, annotation.slice)}, None]"
    return "dict"


def _changed_call(
    text: str, owner: ast.expr, method: ast.Attribute, parents: Parents
) -> Splice | None:
    """Return the change of one call of a set's method; None if a dictionary has nothing like it."""
    call, form = parents[method], METHODS.get(method.attr)
    if form is None or not isinstance(call, ast.Call) or len(call.args) > 1 or call.keywords:
        return None
    if method.attr in STATEMENTS and not isinstance(parents[call], ast.Expr):
        return None
    given = source_of(text, call.args[0]) if call.args else ""
    return Splice(*span(text, call), form.format(given, owner=source_of(text, owner)))


def numbered(text: str, calls: Sequence[str], lines: Sequence[int], around: str = "") -> str | None:
    """Return ``text`` with the number of an object, in the order in which objects are first asked
    for, in place of what ``calls`` on these lines answer; None if there is no such call.

    ``around`` is other text in which names are defined that this one uses.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    name = edits.unused_name(text + around, "numbers")
    asked = [call for call in calls_at(tree, calls, lines) if len(call.args) == 1]
    if not asked:
        return None
    splices = [
        Splice(
            *span(text, call),
            f"{name}.setdefault({source_of(text, call.args[0])}, len({name}))",
        )
        for call in asked
    ]
    return edits.insert(splice(text, splices), [f"{name} = {{}}"], (), before=min(lines))
