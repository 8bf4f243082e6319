"""Writes one seeded generator of Python's into a program, in place of the system's entropy: every
answer stays another one, and comes in the same order in every run.
"""

import ast
from collections.abc import Mapping, Sequence

from detaudit.commands.run import edits, seeds
from detaudit.commands.run.edits import Splice, calls_at, last_name, source_of, span, splice
from detaudit.commands.run.syntax import made_again

#: What the generator answers, by the function that asked the system; ``{0}`` is its argument.
ANSWERS = {
    "urandom": "{stream}.randbytes({0})",
    "getrandom": "{stream}.randbytes({0})",
    "token_bytes": "{stream}.randbytes({0})",
    "token_hex": "{stream}.randbytes({0}).hex()",
    "randbits": "{stream}.getrandbits({0})",
    "randbelow": "{stream}.randrange({0})",
    "choice": "{stream}.choice({0})",
    "uuid1": "uuid.UUID(int={stream}.getrandbits(128), version=4)",
    "uuid4": "uuid.UUID(int={stream}.getrandbits(128), version=4)",
}
#: The argument of those that need not be given one.
USUAL = {"token_bytes": "32", "token_hex": "32"}
GENERATOR = "SystemRandom"


def from_seed(
    text: str, calls: Sequence[str], draws: Mapping[int, int], seed: int, around: str = ""
) -> str | None:
    """Return ``text`` with a seeded generator in place of the entropy that ``calls`` ask for on the
    lines of ``draws``; a value that is only a seed becomes a constant. None if there is no such
    call, or one of another form.

    ``around`` is other text in which names are defined that this one uses.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    stream = edits.unused_name(text + around, "entropy")
    splices = seeds.constants(text, tree, calls, draws, seed + 1)
    again, others = made_again(tree), []
    for number, made in enumerate(_generators(tree, list(draws))):
        once = f"random.Random({seed + len(splices) + number + 1})"
        others.append(Splice(*span(text, made), stream if made in again else once))
    for call in calls_at(tree, calls, list(draws)):
        place = span(text, call)
        if any(one.start <= place.start and place.end <= one.end for one in splices):
            continue
        answer = _answer(text, call, stream)
        if answer is None:
            return None
        others.append(Splice(*place, answer))
    if not others:
        return None
    new = [one.new for one in others]
    lines = [
        "import random",
        *(["import uuid"] if any("uuid.UUID(" in one for one in new) else []),
        *([f"{stream} = random.Random({seed})"] if any(stream in one for one in new) else []),
    ]
    return edits.insert(splice(text, [*splices, *others]), lines, (), before=min(draws))


def _answer(text: str, call: ast.Call, stream: str) -> str | None:
    """Return what answers a call; None if its arguments are not those that are known."""
    name = last_name(call.func)
    form = ANSWERS.get(name)
    if form is None or call.keywords or len(call.args) > 1:
        return None
    given = source_of(text, call.args[0]) if call.args else USUAL.get(name, "")
    return None if "{0}" in form and not given else form.format(given, stream=stream)


def _generators(tree: ast.Module, lines: Sequence[int]) -> list[ast.Call]:
    """Return the calls that make a generator of the system's entropy on these lines, or one whose
    name they use.
    """
    used = {
        last_name(node)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Name, ast.Attribute)) and node.lineno in lines
    }
    bound = {
        assigned.value
        for assigned in ast.walk(tree)
        if isinstance(assigned, ast.Assign)
        and any(last_name(target) in used for target in assigned.targets)
    }
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and last_name(node.func) == GENERATOR
        and (node in bound or node.lineno in lines)
    ]
