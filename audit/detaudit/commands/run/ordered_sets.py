"""Makes the order of a set of objects, which is that of their addresses, the order of insertion: a
dictionary without values takes the place of the set.
"""

import ast
from collections.abc import Collection

from detaudit.commands.run.edits import Splice, parsed, source_of, span, splice
from detaudit.commands.run.syntax import (
    Function,
    Parents,
    enclosing,
    last_name,
    names_on,
    parents_in,
    tree_of,
)

#: What a dictionary has in place of the methods of a set; ``{0}`` is the argument.
METHODS = {
    "add": "{owner}[{0}] = None",
    "discard": "{owner}.pop({0}, None)",
    "remove": "del {owner}[{0}]",
    "update": "{owner}.update(dict.fromkeys({0}))",
    "clear": "{owner}.clear()",
    "copy": "{owner}.copy()",
}
STATEMENTS = ("add", "remove")  # replaced by a statement, so only where the call is one


def with_dictionaries(text: str, lines: Collection[int]) -> str | None:
    """Return ``text`` with dictionaries in place of the sets that these lines make or use; None if
    there is none, or one that the program uses in a way that a dictionary does not have.
    """
    tree = tree_of(text)
    if tree is None:
        return None
    parents, names = parents_in(tree), names_on(tree, lines)
    chosen = []
    for made in filter(_is_new_set, ast.walk(tree)):
        assert isinstance(made, ast.expr)
        target = _target(parents[made])
        end = made.end_lineno or made.lineno
        here = any(made.lineno <= line <= end for line in lines)
        if here or (target is not None and last_name(target) in names):
            chosen.append((made, target))
    inside = {node for made, _ in chosen for node in ast.walk(made) if node is not made}
    if not chosen or any(made in inside for made, _ in chosen):
        return None
    splices: set[Splice] = set()
    for made, target in chosen:
        splices.add(Splice(*span(text, made), _as_keys(text, made)))
        changes = _changed_uses(text, target, parents) if target is not None else []
        if changes is None:
            return None
        splices.update(changes)
    return parsed(splice(text, splices))


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
    keys = inside if isinstance(made, ast.SetComp) else f"[{inside}]"
    return f"dict.fromkeys({keys})"


def _changed_uses(text: str, target: ast.expr, parents: Parents) -> list[Splice] | None:
    """Return the changes of the uses of a set with this name: in the function that makes it; of an
    attribute, in the class. None if a dictionary has nothing like one of them, or if the name may
    be that of something else.
    """
    if isinstance(target, ast.Attribute):
        scope = enclosing(target, parents, ast.ClassDef, ast.Module)
    else:
        scope = enclosing(target, parents, *Function, ast.ClassDef, ast.Module)
        if isinstance(scope, ast.ClassDef):  # an attribute of all objects
            return None
    assert scope is not None
    splices = []
    for node in ast.walk(scope):
        if type(node) is not type(target) or last_name(node) != last_name(target):
            continue
        assert isinstance(node, (ast.Name, ast.Attribute))
        parent = parents[node]
        if isinstance(node.ctx, ast.Load):
            change = _changed_use(text, node, parents)
            if change is None:
                return None
            splices += change
        elif not isinstance(parent, (ast.Assign, ast.AnnAssign)) or not _gives_set(parent):
            return None
        elif isinstance(parent, ast.AnnAssign):
            splices.append(Splice(*span(text, parent.annotation), _as_type(text, parent)))
    return splices


def _gives_set(statement: ast.Assign | ast.AnnAssign) -> bool:
    return statement.value is not None and _is_new_set(statement.value)


def _as_type(text: str, statement: ast.AnnAssign) -> str:
    annotation = statement.annotation
    if isinstance(annotation, ast.Subscript):
        return f"dict[{source_of(text, annotation.slice)}, None]"
    return "dict"


def _changed_use(
    text: str, node: ast.Name | ast.Attribute, parents: Parents
) -> list[Splice] | None:
    """Return the change of one use of a set, if it needs one; None if a dictionary has nothing like
    it.
    """
    match parents[node]:
        case ast.BinOp() | ast.AugAssign() | ast.UnaryOp() | ast.keyword():
            return None
        case ast.Compare(ops=[ast.In() | ast.NotIn() | ast.Is() | ast.IsNot()]):
            return []
        case ast.Compare():
            return None
        case ast.Call(func=ast.Name(id="isinstance" | "type")):
            return None
        case ast.Attribute() as method:
            change = _changed_call(text, node, method, parents)
            return None if change is None else [change]
        case _:
            return []


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
