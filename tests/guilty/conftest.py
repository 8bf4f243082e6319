"""These tests run the real experiments of a scan on the installed framework, with planted faults
among them.
"""

import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from detaudit.commands.scan import sections
from detaudit.commands.scan.plan import narrowed
from detaudit.core.experiment import Asking
from detaudit.core.verdict import Verdict
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.runner import Runner
from detaudit.execution.variables import environment_for_nests
from detaudit.registry import base
from detaudit_probes.declare import Source
from detaudit_probes.kit.models import NAMES as MODELS
from detaudit_probes.protocol import SOURCES_VARIABLE

PLANT = Path(__file__).parent / "probes" / "plant.py"


@pytest.fixture(scope="session")
def make_runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Runner]]:
    """A runner over this interpreter, with a plant or without."""
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    made = []

    def make(plant: Mapping[str, Any] | None = None, fork: bool = True) -> Runner:
        folder = tmp_path_factory.mktemp("guilty")
        for name in ("keras", "theano", "tmp"):
            (folder / "private" / name).mkdir(parents=True)
        planted = {}
        if plant is not None:
            planted = {SOURCES_VARIABLE: str(shutil.copy(PLANT, folder))}
            (folder / "plant.json").write_text(json.dumps(plant))
        environment = environment_for_nests(
            os.environ, base.controlled_variables(), str(folder / "private")
        )
        runner = Runner(
            Interpreter(sys.executable, "tensorflow", fork),
            Limits(2, 300.0),
            folder / "control",
            {**environment, **planted, "KERAS_BACKEND": "tensorflow"},
        )
        made.append(runner)
        runner.fingerprint = runner.greet(base_condition()).fingerprints[0]
        return runner

    yield make
    for runner in made:
        runner.close()


def base_condition():
    return base.base_condition("tensorflow", "cpu", 1)


def judge(runner: Runner, sources: list[Source], gpus: int = 0) -> dict[str, Verdict]:
    """The verdicts on the sources, each tried as a quick scan tries it."""
    known = base.known_pins("tensorflow")
    facts = runner.greet(base_condition()).facts
    asking = [
        Asking(sections.of_source(narrowed(source), base_condition(), known, {}, facts, gpus, 1))
        for source in sources
    ]
    runner.run(asking)
    return {one.finding.source: one.finding for one in asking}


__all__ = ["MODELS", "base_condition", "judge"]
