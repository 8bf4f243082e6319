"""Limits a loop, or the training of a Keras model, by a number of rounds instead of seconds."""

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from detaudit.commands.run import edits
from detaudit.commands.run.edits import Splice, calls_at, parsed, source_of, span, splice
from detaudit.commands.run.lines import lines_of, with_lines
from detaudit.commands.run.syntax import (
    Function,
    Parents,
    enclosing,
    last_name,
    names_on,
    parents_in,
    reads_of,
    tree_of,
)

#: Methods that Keras calls once in every step, and where they find the number of steps.
EACH_STEP = ("on_train_batch_end", "on_batch_end")
STEPS = "self.model.optimizer.iterations"
STOPS = ("stop_training", "should_stop")  # attributes that end a training
_LATER, _EARLIER = (ast.Gt, ast.GtE), (ast.Lt, ast.LtE)
_LOOPS = (ast.For, ast.AsyncFor, ast.While)


class _Time(NamedTuple):
    """An expression that the clock is part of. ``count``: how often a run evaluated it.
    ``remains``: the time is subtracted in it, as in ``end - time.time()``.
    """

    count: int
    remains: bool = False


class _Check(NamedTuple):
    """A comparison of the clock with a limit. ``rounds``: how often a run made it before one limit
    was reached. ``is_over``: it is true once the time is up.
    """

    node: ast.Compare
    rounds: int
    is_over: bool


def in_rounds(
    text: str, calls: Sequence[str], draws: Mapping[int, int], around: str = ""
) -> str | None:
    """Return ``text`` with the number of rounds that a run made in place of its only limit in
    seconds; None if there is none, or another one.

    ``calls`` are functions that tell the time, ``draws`` how often each line called them.
    ``around`` is other text in which names are defined that this one uses.
    """
    tree = tree_of(text)
    if tree is None:
        return None
    parents = parents_in(tree)
    checks = list(_checks(tree, calls, draws, parents))
    if len(checks) != 1 or checks[0].rounds < 2:
        return None
    changed = _limited(text, checks[0], parents)
    if changed is None or parsed(changed) is None:
        return None
    names = names_on(tree, [checks[0].node.lineno])
    return parsed(_without_unread(changed, names, calls, around))


# The check ----------------------------------------------------------------------------------------


def _checks(
    tree: ast.Module, calls: Sequence[str], draws: Mapping[int, int], parents: Parents
) -> Iterator[_Check]:
    asked = [call for call in calls_at(tree, calls, list(draws)) if call.lineno in draws]
    on_line = [call.lineno for call in asked]
    times = {call: draws[call.lineno] // on_line.count(call.lineno) for call in asked}
    names = _kept_in_names(times, parents)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Compare) or len(node.ops) != 1 or not _decides(node, parents):
            continue
        left = _time_in(node.left, times, names)
        right = _time_in(node.comparators[0], times, names)
        is_order = isinstance(node.ops[0], (*_LATER, *_EARLIER))
        if not is_order or left is right:
            continue
        on_left = right is None or (left is not None and left.count > right.count)
        time = left if on_left else right
        assert time is not None
        is_over = isinstance(node.ops[0], _LATER) == (on_left != time.remains)
        yield _Check(node, time.count // _limits(node, time, times, parents), is_over)


def _kept_in_names(times: Mapping[ast.Call, int], parents: Parents) -> dict[str, _Time]:
    """Return the names that are given a value which the clock is part of."""
    found = {}
    for call in times:
        node = enclosing(call, parents, ast.stmt)
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            time = _time_in(node.value, times, {})
            if time is not None:
                found[node.targets[0].id] = time
    return found


def _time_in(
    side: ast.expr, times: Mapping[ast.Call, int], names: Mapping[str, _Time]
) -> _Time | None:
    """Return the part of one side of a comparison that asks for the time most often."""
    if isinstance(side, ast.BinOp) and isinstance(side.op, ast.Sub):
        left, right = (_time_in(one, times, names) for one in (side.left, side.right))
        if right is not None and (left is None or right.count > left.count):
            return _Time(right.count, not right.remains)
        return left
    found = []
    for node in ast.walk(side):
        if isinstance(node, ast.Call) and node in times:
            found.append(_Time(times[node]))
        elif isinstance(node, ast.Name) and node.id in names:
            found.append(names[node.id])
    return max(found, default=None)


def _decides(node: ast.Compare, parents: Parents) -> bool:
    """Whether a comparison, alone or before an ``or``, decides that a loop, a function or the
    training of a model ends.
    """
    child, parent = node, parents[node]
    if isinstance(parent, ast.BoolOp) and isinstance(parent.op, ast.Or):
        if parent.values[0] is not node:
            return False
        child, parent = parent, parents[parent]
    if not isinstance(parent, (ast.If, ast.While)) or parent.test is not child:
        return False
    return child is node if isinstance(parent, ast.While) else any(map(_ends, parent.body))


def _ends(statement: ast.stmt) -> bool:
    match statement:
        case ast.Assign(targets=[ast.Attribute(attr=name)]):
            return name in STOPS
        case ast.If():
            return any(map(_ends, statement.body))
        case _:
            return isinstance(statement, (ast.Break, ast.Return, ast.Raise))


def _limits(node: ast.Compare, time: _Time, times: Mapping[ast.Call, int], parents: Parents) -> int:
    """Return how many times a limit was set: how often the time was asked for elsewhere in the same
    class, or else function.
    """
    inside = set(ast.walk(_scope(node, parents)))
    counts = [count for call, count in times.items() if call in inside and 0 < count < time.count]
    return min(counts, default=1)


def _scope(node: ast.AST, parents: Parents) -> ast.AST:
    function = enclosing(node, parents, *Function, ast.Module)
    assert function is not None
    owner = parents.get(function)
    return owner if isinstance(owner, ast.ClassDef) else function


# The limit ----------------------------------------------------------------------------------------


def _limited(text: str, check: _Check, parents: Parents) -> str | None:
    node, statement = check.node, parents[check.node]
    if isinstance(statement, ast.BoolOp):
        statement = parents[statement]
    if isinstance(statement, ast.While):
        if check.is_over or statement.orelse:
            return None
        start = span(text, statement).start
        end = text.encode().index(b":", span(text, node).end)
        return splice(text, [Splice(start, end, f"for _ in range({check.rounds - 1})")])
    sign = ">=" if check.is_over else "<"
    function = enclosing(node, parents, *Function)
    loop = enclosing(node, parents, *_LOOPS, *Function, ast.Lambda)
    if not isinstance(loop, _LOOPS):
        name = function.name if isinstance(function, Function) else ""
        is_step = name in EACH_STEP and isinstance(parents.get(function), ast.ClassDef)
        if not is_step or parents[statement] is not function:
            return None
        return splice(text, [Splice(*span(text, node), f"{STEPS} {sign} {check.rounds}")])
    counter = _counter(loop, statement, parents)
    if counter:
        return splice(text, [Splice(*span(text, node), f"{counter} {sign} {check.rounds - 1}")])
    return _counted(text, check, statement, parents)


def _counter(loop: ast.AST, statement: ast.AST, parents: Parents) -> str:
    """Return the name that counts the rounds of a loop from 0, if each of them makes the check and
    nothing repeats the loop; else an empty text.
    """
    match loop:
        case ast.For(
            target=ast.Name(id=name),
            iter=ast.Call(func=ast.Name(id="range"), args=[_], keywords=[]),
            body=body,
        ) if statement in body and enclosing(loop, parents, *_LOOPS) is None:
            earlier = body[: body.index(statement)]
            skips = any(isinstance(one, ast.Continue) for part in earlier for one in ast.walk(part))
            return "" if skips else name
        case _:
            return ""


def _counted(text: str, check: _Check, statement: ast.AST, parents: Parents) -> str | None:
    """Return ``text`` with a variable that counts how often the check is made: it begins where the
    limit is set, or else before the outermost loop.
    """
    scope = enclosing(check.node, parents, *Function, ast.Module)
    assert scope is not None
    loop = outer = enclosing(check.node, parents, *_LOOPS)
    while outer is not None and enclosing(outer, parents, *Function, ast.Module) is scope:
        loop, outer = outer, enclosing(outer, parents, *_LOOPS)
    names = names_on(check.node, [check.node.lineno])
    set_here = [
        one
        for one in ast.walk(scope)
        if isinstance(one, ast.Assign)
        and isinstance(one.targets[0], ast.Name)
        and one.targets[0].id in names
        and enclosing(one, parents, *_LOOPS) is not enclosing(check.node, parents, *_LOOPS)
    ]
    begin = set_here[0] if len(set_here) == 1 else loop
    assert isinstance(begin, ast.stmt) and isinstance(statement, ast.stmt)
    name = edits.unused_name(text, "rounds")
    sign = ">=" if check.is_over else "<"
    lines = lines_of(text)
    if lines[statement.lineno - 1].strip().startswith("elif"):
        return None
    new = splice(text, [Splice(*span(text, check.node), f"{name} {sign} {check.rounds}")])
    for where, line in ((statement, f"{name} += 1"), (begin, f"{name} = 0")):
        indent = lines[where.lineno - 1][: where.col_offset]
        if indent.strip():
            return None
        new = with_lines(new, where.lineno - 1, [indent + line])
    return new


def _without_unread(text: str, names: set[str], calls: Sequence[str], around: str) -> str:
    """Return ``text`` without the lines that only give the time to one of ``names``, if nothing
    reads it.
    """
    tree, lines = ast.parse(text), lines_of(text)
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign)]
    for node in sorted(assigned, key=lambda one: one.lineno, reverse=True):
        match node.targets:
            case [ast.Name(id=name)] if name in names:
                is_read = any(reads_of(tree, name)) or name in around
                alone = lines[node.lineno - 1].strip() == source_of(text, node)
                if not is_read and alone and _is_time(node.value, calls):
                    del lines[node.lineno - 1]
    return "".join(lines)


def _is_time(value: ast.expr, calls: Sequence[str]) -> bool:
    """Whether a value is made of calls for the time, names, numbers and arithmetic alone."""
    match value:
        case ast.BinOp():
            return _is_time(value.left, calls) and _is_time(value.right, calls)
        case ast.Call():
            return last_name(value.func) in calls and not value.args
        case _:
            return isinstance(value, (ast.Constant, ast.Name, ast.Attribute))
