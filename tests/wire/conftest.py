"""Wire tests start processes but import no framework: a backend that trains nothing stands in for
one.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from detaudit.commands.run import session
from detaudit.commands.spread import programs
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Asking, Finished
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program.process import Pace
from detaudit.execution.runner import Runner
from detaudit.execution.sandbox import choice
from detaudit.execution.sandbox.view import KINDS, OVERLAY
from detaudit_probes.protocol import SOURCES_VARIABLE, own_setting

from tests.slow import slow

PROBES = str(Path(__file__).parent / "probes")
#: With this in the environment, the guest has the backend that trains nothing.
STUB = {SOURCES_VARIABLE: f"{PROBES}/faults.py"}


def condition(**fault: object) -> Condition:
    settings = own_setting("fault", json.dumps(fault, sort_keys=True))
    return Condition("stub", "cpu", "mlp", 1, procedure="fault", settings=settings)


def ask(wanted: list[Trial]):
    """An experiment that asks once, and finds what became of each trial."""
    found = yield wanted
    return [found[trial] for trial in wanted]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs start without a pause: no program here takes a seed from the clock."""
    for commands in (session, programs):
        monkeypatch.setattr(commands, "Pace", lambda: Pace(0.0))


@pytest.fixture
def make_runner(tmp_path: Path) -> Iterator[Callable[..., Runner]]:
    made = []

    def make(
        fork: bool = True,
        timeout: float = 60.0,
        jobs: int = 2,
        python: str = sys.executable,
        **interpreter: object,
    ) -> Runner:
        interpreter = {"imports": False, **interpreter}
        runner = Runner(
            Interpreter(python, "stub", fork, **interpreter),
            Limits(jobs, timeout),
            tmp_path / f"control-{len(made)}",
            {**os.environ, **STUB},
        )
        made.append(runner)
        return runner

    yield make
    for runner in made:
        runner.close()


@pytest.fixture(
    params=[pytest.param(True, id="forked"), pytest.param(False, id="isolated", marks=slow)]
)
def run(
    request: pytest.FixtureRequest, make_runner: Callable[..., Runner]
) -> Callable[..., Finished]:
    """Run one trial with the fault given, both ways."""

    def run_one(timeout: float = 60.0, **fault: object) -> Finished:
        runner = make_runner(fork=request.param, timeout=timeout)
        asking = Asking(ask([Trial(condition(**fault), 0)]))
        runner.run([asking])
        return asking.finding[0]

    return run_one


@pytest.fixture(autouse=True)
def journals(tmp_path, monkeypatch):
    """Journals of in-place audits lie in the test's own folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture(params=KINDS)
def kind(request, tmp_path):
    return usable(request.param, tmp_path)


def usable(kind: str, tmp_path: Path) -> str:
    """Return the kind of isolation; skip the test if it is not possible here."""
    if kind == OVERLAY:
        (tmp_path / "try").mkdir()
        (tmp_path / "ours").mkdir()
        overlay, reason = choice.mountable(tmp_path / "try", tmp_path / "ours")
        if overlay is None:
            pytest.skip(f"no overlay can be mounted here: {reason}")
    return kind
