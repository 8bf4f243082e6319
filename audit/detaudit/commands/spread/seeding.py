"""How each run of a user's program gets its seed: as the user says, or by a number that is added to
the seeds that the program sets.
"""

import ast
import shlex
from dataclasses import replace

from detaudit.commands.spread.findings import ARGUMENTS, CALLS, VARIABLE, SeedCall, Seeding
from detaudit.core.condition import Condition
from detaudit.errors import UsageError
from detaudit.execution.program.program import Program
from detaudit.execution.program.texts import text_of

PLACE = "{seed}"
#: Between the numbers that are added in two runs: a script may count its seeds up, fold by fold,
#: and two runs must not share them.
STEP = 100_003
#: Arguments by which libraries take a seed.
NAMES = ("random_state", "seed", "random_seed")


def chosen(arguments: str | None, variable: str | None) -> Seeding:
    """Return how the user says that the program gets its seed. Raises UsageError."""
    if arguments is not None and variable is not None:
        raise UsageError("Give --seed-args or --seed-env, not both.")
    if arguments is not None:
        if PLACE not in arguments:
            raise UsageError(
                f"--seed-args takes the place of the seed as {PLACE}: '--seed {PLACE}'."
            )
        try:
            shlex.split(arguments)
        except ValueError as error:
            raise UsageError(f"--seed-args {arguments!r}: {error}.") from None
        return Seeding(ARGUMENTS, arguments)
    if variable is not None:
        if not variable or "=" in variable:
            raise UsageError(f"--seed-env takes the name of a variable, not {variable!r}.")
        return Seeding(VARIABLE, variable)
    return Seeding(CALLS)


def words_of(seeding: Seeding) -> tuple[str, ...]:
    """Return the words that the user gives besides the seed."""
    if seeding.how != ARGUMENTS:
        return ()
    return tuple(word for word in shlex.split(seeding.given) if PLACE not in word)


def conditions(first: Condition, seeding: Seeding, runs: int) -> list[Condition]:
    """Return the condition of each run. Seeds begin with that of ``first``; what is added to the
    program's own begins with 0.
    """
    return [_seeded(first, seeding, place) for place in range(runs)]


def _seeded(first: Condition, seeding: Seeding, place: int) -> Condition:
    if seeding.how == CALLS:
        return replace(first, seed=STEP * place).with_orders(seeds_plus=STEP * place)
    condition = replace(first, seed=first.seed + place)
    if seeding.how == VARIABLE:
        return condition.with_environment({seeding.given: str(condition.seed)})
    words = shlex.split(seeding.given)
    return condition.with_orders(
        more_arguments=tuple(word.replace(PLACE, str(condition.seed)) for word in words)
    )


def constants(program: Program) -> tuple[SeedCall, ...]:
    """Return the lines of a script at which a call is given a constant seed by name."""
    script = program.script
    if script is None or program.words or program.is_notebook:
        return ()
    try:
        tree = ast.parse(text_of(script) or "")
    except SyntaxError:
        return ()
    found = {
        SeedCall(str(program.relative(script)), keyword.value.lineno, str(keyword.arg)): None
        for call in ast.walk(tree)
        if isinstance(call, ast.Call)
        for keyword in call.keywords
        if keyword.arg in NAMES
        and isinstance(keyword.value, ast.Constant)
        and type(keyword.value.value) is int
    }
    return tuple(sorted(found, key=lambda one: one.line))
