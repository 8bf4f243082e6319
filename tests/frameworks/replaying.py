"""Runs of a script that replay one of its steps, as ``detaudit run`` asks for them."""

import os
from collections.abc import Mapping
from pathlib import Path

from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Asking, Finished
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program import process, program
from detaudit.execution.runner import Runner
from detaudit_probes import sources

from tests.frameworks.test_observer import ask


def pinned(condition: Condition, pins: tuple[str, ...]) -> Condition:
    known = {name: pin for name, (pin, _) in sources.pins(sources.SCRIPT_MODULES).items()}
    for name in pins:
        condition = condition.with_pin(known[name])
    return condition


def runs_of(
    script: Path,
    arguments: tuple[str, ...],
    python: str,
    condition: Condition,
    number: int,
    control: Path,
    variables: Mapping[str, str],
) -> list[Finished]:
    """So many runs of the script under the condition, all of which complete."""
    found = program.find(script.name, False, arguments, script.parent)
    runner = Runner(
        Interpreter(python, condition.backend, fork=False),
        Limits(2, 300.0),
        control,
        {**os.environ, **variables},
        keep_bytes=False,
        open_host=lambda *given: process.Process(found, *given),
    )
    asking = Asking(ask([Trial(condition, draw) for draw in range(number)]))
    runner.run([asking])
    runner.close()
    done = list(asking.finding.values())
    for one in done:
        assert one.outcome.completed, one.outcome
    return done
