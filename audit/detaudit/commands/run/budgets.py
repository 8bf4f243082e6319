"""Ends a program's loop after as many rounds as one run made, in place of after a number of
seconds.
"""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from detaudit.commands.run import edits
from detaudit.commands.run.edits import Splice, calls_at, parsed, source_of, span, splice
from detaudit.commands.run.lines import lines_of
from detaudit.commands.run.syntax import Parents, parents_in

_LATER, _EARLIER = (ast.Gt, ast.GtE), (ast.Lt, ast.LtE)
#: What a class of Keras has at hand to count its steps.
MODEL = "self.model"
STEPS = "self.model.optimizer.iterations"


class _Check(NamedTuple):
    """A comparison of the clock with a limit, made so many times before the loop ended.
    ``is_over``: it is true when the time is over.
    """

    node: ast.Compare
    count: int
    is_over: bool


def in_steps(text: str, calls: Sequence[str], draws: Mapping[int, int]) -> str | None:
    """Return ``text`` with a number of rounds in place of the one limit in seconds that it checks
    by ``calls`` of the clock, on the lines of ``draws``, each of which called it so often. None if
    there is no such check, or more than one.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    parents = parents_in(tree)
    checks = list(_checks(tree, calls, draws, parents))
    if len(checks) != 1:
        return None
    (check,) = checks
    changed = _changed(text, check, parents)
    return None if changed is None else parsed(_without_unread(changed, calls))


def _checks(
    tree: ast.Module, calls: Sequence[str], draws: Mapping[int, int], parents: Parents
) -> Iterator[_Check]:
    asked = {call for call in calls_at(tree, calls, list(draws)) if call.lineno in draws}
    counts = {
        call: draws[call.lineno] // sum(one.lineno == call.lineno for one in asked)
        for call in asked
    }
    named = _kept_in_names(asked, counts, parents)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or len(node.ops) != 1 or not _decides(node, parents):
            continue
        left, right = (_count(side, counts, named) for side in (node.left, node.comparators[0]))
        count, ahead = max(left, right), left >= right
        if count < 2 or not isinstance(node.ops[0], (*_LATER, *_EARLIER)):
            continue
        begun = _budgets(node, counts, parents)
        taken_off = _is_taken_off(node.left if ahead else node.comparators[0], counts, named)
        is_over = isinstance(node.ops[0], _LATER) == (ahead != taken_off)
        yield _Check(node, count // begun, is_over)


def _kept_in_names(
    asked: set[ast.Call], counts: Mapping[ast.Call, int], parents: Parents
) -> dict[str, int]:
    """Return how often each name was given a value that the clock is part of."""
    found = {}
    for call in asked:
        node: ast.AST = call
        while isinstance(node, ast.expr):
            node = parents[node]
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            found[node.targets[0].id] = counts[call]
    return found


def _decides(node: ast.Compare, parents: Parents) -> bool:
    """Whether a comparison decides that a loop, a function or the training of a model ends."""
    child: ast.AST = node
    while isinstance(parents[child], ast.BoolOp):
        child = parents[child]
    parent = parents[child]
    if not isinstance(parent, (ast.If, ast.While)) or parent.test is not child:
        return False
    return isinstance(parent, ast.While) or any(map(_ends, ast.walk(parent)))


def _ends(node: ast.AST) -> bool:
    match node:
        case ast.Assign(targets=[ast.Attribute(attr="stop_training" | "should_stop")]):
            return True
        case _:
            return isinstance(node, (ast.Break, ast.Return, ast.Raise))


def _count(side: ast.expr, counts: Mapping[ast.Call, int], named: Mapping[str, int]) -> int:
    """Return how often the clock was asked for one side of a comparison."""
    return max((_asked(node, counts, named) for node in ast.walk(side)), default=0)


def _asked(node: ast.AST, counts: Mapping[ast.Call, int], named: Mapping[str, int]) -> int:
    if isinstance(node, ast.Call):
        return counts.get(node, 0)
    return named.get(node.id, 0) if isinstance(node, ast.Name) else 0


def _is_taken_off(side: ast.expr, counts: Mapping[ast.Call, int], named: Mapping[str, int]) -> bool:
    """Whether the time is subtracted from something, as in ``end - time.time() > 0``."""
    is_difference = isinstance(side, ast.BinOp) and isinstance(side.op, ast.Sub)
    if not is_difference:
        return False
    assert isinstance(side, ast.BinOp)
    return _count(side.right, counts, named) > _count(side.left, counts, named)


def _budgets(node: ast.Compare, counts: Mapping[ast.Call, int], parents: Parents) -> int:
    """Return how many times a budget began: how often the clock was asked elsewhere in the same
    class, or else function.
    """
    scope = _scope(node, parents)
    inside = set(ast.walk(scope))
    others = [count for call, count in counts.items() if call in inside and count > 0]
    return min(others, default=1)


def _scope(node: ast.AST, parents: Parents) -> ast.AST:
    functions, found = (ast.FunctionDef, ast.AsyncFunctionDef), node
    while not isinstance(found, (*functions, ast.Module)):
        found = parents[found]
    owner = parents.get(found)
    return owner if isinstance(owner, ast.ClassDef) else found


def _changed(text: str, check: _Check, parents: Parents) -> str | None:
    """Return ``text`` with the check counted in the rounds of its loop, in the steps of the model,
    or by itself.
    """
    node, count = check.node, check.count
    loop, last = parents[node], count - 1
    place = span(text, node)
    if isinstance(loop, ast.While):
        if check.is_over or loop.orelse or last < 1:
            return None
        start = place.start - len(text.encode()[: place.start].rpartition(b"while")[2]) - 5
        return splice(text, [Splice(start, place.end, f"for _ in range({last})")])
    sign = ">=" if check.is_over else "<"
    counter = _counter(node, parents)
    scope = _scope(node, parents)
    if counter:
        return splice(text, [Splice(*place, f"{counter} {sign} {last}")])
    if isinstance(scope, ast.ClassDef):
        if MODEL not in source_of(text, scope):
            return None
        return splice(text, [Splice(*place, f"{STEPS} {sign} {count}")])
    name = edits.unused_name(text, "rounds")
    new = splice(text, [Splice(*place, f"next({name}) {sign} {count}")])
    return edits.insert(new, ["import itertools", f"{name} = itertools.count(1)"], ())


def _counter(node: ast.AST, parents: Parents) -> str:
    """Return the name that counts the rounds of the innermost loop from 0; empty if none does."""
    while not isinstance(node, (ast.For, ast.While, ast.FunctionDef, ast.Module)):
        node = parents[node]
    match node:
        case ast.For(
            target=ast.Name(id=name),
            iter=ast.Call(func=ast.Name(id="range"), args=[_], keywords=[]),
        ):
            return name
        case _:
            return ""


def _without_unread(text: str, calls: Sequence[str]) -> str:
    """Return ``text`` without the lines that only give a time to a name which nothing reads."""
    tree, lines = ast.parse(text), lines_of(text)
    read = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    for node in sorted(ast.walk(tree), key=lambda one: getattr(one, "lineno", 0), reverse=True):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if name not in read:
                asks = calls_at(ast.Module([ast.Expr(value)], []), calls, [node.lineno])
                whole = lines[node.lineno - 1].strip() == ast.get_source_segment(text, node)
                if asks and whole:
                    del lines[node.lineno - 1]
    return "".join(lines)
