"""Takes a program's random bytes and ids from one seeded generator of Python's instead of the
operating system: they still differ from each other, and come in the same order in every run.
"""

import ast
from collections.abc import Mapping, Sequence

from detaudit.commands.run import edits, seeds
from detaudit.commands.run.edits import Splice, calls_at, source_of, span, splice
from detaudit.commands.run.syntax import last_name, made_again, names_on, tree_of

#: What takes the place of a function; ``{0}`` is its argument. Tokens are made to be secret.
ANSWERS = {
    "urandom": "{stream}.randbytes({0})",
    "getrandom": "{stream}.randbytes({0})",
    "randbits": "{stream}.getrandbits({0})",
    "randbelow": "{stream}.randrange({0})",
    "choice": "{stream}.choice({0})",
    "uuid1": "uuid.UUID(int={stream}.getrandbits(128), version=4)",
    "uuid4": "uuid.UUID(int={stream}.getrandbits(128), version=4)",
}
GENERATOR = "SystemRandom"


def from_seed(
    text: str, calls: Sequence[str], draws: Mapping[int, int], seed: int, around: str = ""
) -> str | None:
    """Return ``text`` with a seeded generator in place of the entropy that ``calls`` ask for on the
    lines of ``draws``; a value that is only a seed becomes a constant. None if there is no such
    call, or one of another form.

    ``around`` is other text in which names are defined that this one uses.
    """
    tree = tree_of(text)
    if tree is None:
        return None
    stream = edits.unused_name(text + around, "entropy")
    splices = seeds.constants(text, tree, calls, draws, seed + 1)
    answers = _answers(text, tree, calls, draws, splices, stream)
    if answers is None:
        return None
    again = made_again(tree)
    for number, made in enumerate(_generators(tree, list(draws)), seed + len(splices) + 1):
        new = stream if made in again else f"random.Random({number})"
        answers.append(Splice(*span(text, made), new))
    if not answers:
        return None
    lines = ["import random"]
    if any("uuid.UUID(" in one.new for one in answers):
        lines.append("import uuid")
    if any(stream in one.new for one in answers):
        lines.append(f"{stream} = random.Random({seed})")
    if _binds(tree, [line.removeprefix("import ") for line in lines]):
        return None
    return edits.insert(splice(text, [*splices, *answers]), lines, (), before=min(draws))


def _answers(
    text: str,
    tree: ast.Module,
    calls: Sequence[str],
    draws: Mapping[int, int],
    seeded: Sequence[Splice],
    stream: str,
) -> list[Splice] | None:
    """Return what takes the place of the calls that are no part of a seed; None if one has another
    form, or is given another one.
    """
    answers: list[Splice] = []
    for call in calls_at(tree, calls, list(draws)):
        place = span(text, call)
        if any(one.start <= place.start and place.end <= one.end for one in seeded):
            continue
        answer = _answer(text, call, stream)
        inside = any(one.start <= place.start < one.end for one in answers)
        if answer is None or inside:
            return None
        answers.append(Splice(*place, answer))
    return answers


def _answer(text: str, call: ast.Call, stream: str) -> str | None:
    """Return what answers a call; None if its arguments are not those that are known."""
    form = ANSWERS.get(last_name(call.func))
    if form is None or call.keywords or len(call.args) > 1:
        return None
    given = source_of(text, call.args[0]) if call.args else ""
    return None if "{0}" in form and not given else form.format(given, stream=stream)


def _generators(tree: ast.Module, lines: Sequence[int]) -> list[ast.Call]:
    """Return the calls that make a generator of the system's entropy on these lines, or one whose
    name they use.
    """
    used = names_on(tree, lines)
    bound = {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and used & {last_name(target) for target in node.targets}
    }
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and last_name(node.func) == GENERATOR
        and (node in bound or node.lineno in lines)
    ]


def _binds(tree: ast.AST, modules: Sequence[str]) -> bool:
    """Whether a program gives a module's name to a variable, in which the module would be lost."""
    return any(
        isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store) and node.id in modules
        for node in ast.walk(tree)
    )
