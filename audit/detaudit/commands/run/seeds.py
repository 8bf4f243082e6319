"""Writes seeds into a program: for generators without one, and in place of a seed that it takes
from the clock, from entropy or from an address.

A line that makes several generators in a run gets another seed for each: with one constant, they
would all give the same numbers, and the program would lose randomness that it had.
"""

import ast
import itertools
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from detaudit_probes.declare import Edit

from detaudit.commands.run import edits
from detaudit.commands.run.edits import Splice, calls_at, parsed, span, splice
from detaudit.commands.run.syntax import Parents, last_name, parents_in, reads_of, tree_of

#: Functions that only convert what they are given.
CONVERTING = {"int", "abs", "round", "float", "hash", "from_bytes", "timestamp"}
#: Classes that take a seed, beside those whose names say so.
SEEDED = {"Random", "PCG64", "PCG64DXSM", "MT19937", "Philox", "SFC64", "PRNGKey"}
#: Functions whose answer is the same in all of a run.
CONSTANT_IN_A_RUN = {"getpid"}
#: Functions that only show what they are given.
SHOWING = {"print", "info", "debug", "log", "format"}
#: The last words of names for a seed, and parts of names of functions that take one.
_SEED = re.compile(r"(^|[-_.])(seed|rng|random_?state)$", re.IGNORECASE)
_SEEDING = re.compile(r"seed|rng|random_?state", re.IGNORECASE)


def for_generators(
    text: str, edit: Edit, draws: Mapping[int, int], seed: int, around: str = ""
) -> str | None:
    """Return ``text`` with a seed for the generators that calls of ``edit`` make or seed on the
    lines of ``draws``, each of which did so as often in a run; None if there is no such call. All
    seeds are different.

    ``around`` is other text in which names are defined that this one uses.
    """
    if edit.kind == "generator":
        edit = Edit("add", calls=edit.calls, form="{seed}")
    if edit.kind == "add":
        edit = edit._replace(calls=tuple(_names_without_seed(text, edit.calls, list(draws))))
    again = [line for line, number in draws.items() if number > 1]
    new, changed = text, False
    for line in sorted(set(draws).difference(again)):
        with_seed = edits.apply(new, edit, [line], seed)
        if with_seed is not None:
            new, seed, changed = with_seed, seed + 1, True
    name = edits.unused_name(text + around, "seeds")
    next_seed = edit._replace(form=edit.form.format(seed=f"next({name})"))
    repeated = edits.apply(new, next_seed, again, seed) if again else None
    if repeated is None:
        return new if changed else None
    lines = ["import itertools", f"{name} = itertools.count({seed})"]
    return edits.insert(repeated, lines, (), before=min(again))


def _names_without_seed(text: str, calls: Sequence[str], lines: Sequence[int]) -> Sequence[str]:
    """Return the names of those calls on these lines that are given nothing; all names if there are
    none.
    """
    tree = tree_of(text)
    if tree is None:
        return calls
    bare = [one for one in calls_at(tree, calls, lines) if not one.args and not one.keywords]
    return [ast.unparse(one.func) for one in bare] or calls


def with_constants(
    text: str, calls: Sequence[str], draws: Mapping[int, int], seed: int, around: str = ""
) -> str | None:
    """Return ``text`` with a constant in place of each seed that is made from ``calls`` on the
    lines of ``draws``, each of which drew so often, or with a counter where that was more than
    once; None if there is no such seed.

    ``around`` is other text in which names are defined that this one uses.
    """
    tree = tree_of(text)
    if tree is None:
        return None
    name = edits.unused_name(text + around, "seeds")
    splices = constants(text, tree, calls, draws, seed, f"next({name})")
    if not splices:
        return None
    changed = splice(text, splices)
    if not any(name in one.new for one in splices):
        return parsed(changed)
    lines = ["import itertools", f"{name} = itertools.count({seed + len(splices)})"]
    return edits.insert(changed, lines, (), before=min(draws))


def constants(
    text: str,
    tree: ast.Module,
    calls: Sequence[str],
    draws: Mapping[int, int],
    seed: int,
    next_seed: str | None = None,
) -> list[Splice]:
    """Return the changes of :func:`with_constants`; without the expression ``next_seed``, seeds
    that are made more than once stay.
    """
    parents = parents_in(tree)
    made: dict[ast.expr, list[ast.Call]] = defaultdict(list)
    for call in calls_at(tree, calls, list(draws)):
        made[_whole(call, calls, parents)].append(call)
    splices: list[Splice] = []
    numbers = itertools.count(seed)
    for whole, inside in made.items():
        is_seed = _is_seed(whole, tree, parents)
        found = [whole] if is_seed else _seeds_of_name(whole, tree, parents)
        drawn = sum(_draws_on(whole, draws))
        again = drawn > len(inside) and any(
            last_name(one.func) not in CONSTANT_IN_A_RUN for one in inside
        )
        if not found or (again and (next_seed is None or found != [whole])):
            continue
        # Two generators that had one seed keep one
        new = next_seed if again and next_seed is not None else str(next(numbers))
        splices += [Splice(*span(text, one), new) for one in found]
    return splices


def _seeds_of_name(whole: ast.expr, tree: ast.AST, parents: Parents) -> list[ast.expr]:
    """Return where a value that a name keeps is used as a seed: the value itself, if it is used as
    nothing else.
    """
    match parents[whole]:
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
            pass
        case _:
            return []
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == name]
    loads = list(reads_of(tree, name))
    arguments = (node.arg for node in ast.walk(tree) if isinstance(node, ast.arg))
    if len(nodes) - len(loads) != 1 or name in arguments:
        return []
    uses = [_whole(node, (), parents, (name,)) for node in loads]
    seeds = [one for one in uses if _is_seed(one, tree, parents)]
    return [whole] if seeds and len(seeds) == len(uses) else seeds


def _draws_on(node: ast.expr, draws: Mapping[int, int]) -> list[int]:
    last = node.end_lineno or node.lineno
    return [number for line, number in draws.items() if node.lineno <= line <= last]


def _whole(
    node: ast.expr, calls: Sequence[str], parents: Parents, names: Sequence[str] = ()
) -> ast.expr:
    """Return the largest expression around a node that is made from such calls, ``names``,
    constants and conversions alone.
    """
    while True:
        parent = parents[node]
        if not isinstance(
            parent, (ast.BinOp, ast.UnaryOp, ast.Call, ast.Attribute, ast.Subscript)
        ) or not _is_made(parent, calls, names):
            return node
        node = parent


def _is_made(node: ast.AST, calls: Sequence[str], names: Sequence[str]) -> bool:
    match node:
        case ast.Constant():
            return True
        case ast.Name():
            return node.id in names
        case ast.BinOp():
            return _is_made(node.left, calls, names) and _is_made(node.right, calls, names)
        case ast.UnaryOp():
            return _is_made(node.operand, calls, names)
        case ast.Attribute() | ast.Subscript():
            return _is_made(node.value, calls, names)
        case ast.Call():
            if last_name(node.func) in calls:
                return True
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            if isinstance(node.func, ast.Attribute) and not isinstance(node.func.value, ast.Name):
                given.append(node.func.value)
            return last_name(node.func) in CONVERTING and all(
                _is_made(one, calls, names) for one in given
            )
        case _:
            return False


def _is_seed(node: ast.AST, tree: ast.AST, parents: Parents) -> bool:
    """Whether the value of an expression is used as a seed, and as nothing else."""
    parent = parents[node]
    while isinstance(parent, (ast.BoolOp, ast.IfExp)):
        node, parent = parent, parents[parent]
    match parent:
        case ast.keyword():
            words = getattr(parents[parent], "args", ())
            option = parent.arg == "default" and any(_is_word_for_seed(word) for word in words)
            return option or _is_use(node, parents, shown=False)
        case ast.Assign():
            return all(_is_seeds_name(target, tree, parents) for target in parent.targets)
        case ast.AnnAssign() | ast.NamedExpr():
            return _is_seeds_name(parent.target, tree, parents)
        case _:
            return _is_use(node, parents, shown=False)


def _is_seeds_name(target: ast.expr, tree: ast.AST, parents: Parents) -> bool:
    """Whether a name or an attribute is called a seed, and a name is used as nothing else."""
    if not _SEED.search(ast.unparse(target)):
        return False
    uses = [
        node
        for node in ast.walk(tree)
        if isinstance(target, ast.Name)
        and isinstance(node, ast.Name)
        and node.id == target.id
        and isinstance(node.ctx, ast.Load)
    ]
    return all(_is_use(use, parents) for use in uses)


def _is_use(node: ast.AST, parents: Parents, shown: bool = True) -> bool:
    """Whether a value is used to seed something, or to be noted as a seed, or is ``shown``."""
    parent = parents[node]
    while isinstance(parent, (ast.BinOp, ast.BoolOp, ast.IfExp, ast.FormattedValue, ast.JoinedStr)):
        node, parent = parent, parents[parent]
    match parent:
        case ast.keyword():
            return _SEED.search(parent.arg or "") is not None or _takes_seed(parents[parent])
        case ast.Call():
            shows = shown and last_name(parent.func) in SHOWING
            return node in parent.args and (shows or _takes_seed(parent))
        case ast.Dict():
            pairs = zip(parent.keys, parent.values, strict=True)
            return any(_is_word_for_seed(key) for key, value in pairs if value is node)
        case _:
            return False


def _is_word_for_seed(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and _SEED.search(str(node.value)) is not None


def _takes_seed(call: ast.AST) -> bool:
    if not isinstance(call, ast.Call):
        return False
    name = last_name(call.func)
    return (
        name in SEEDED
        or ast.unparse(call.func).endswith("random.key")
        or _SEEDING.search(name) is not None
    )
