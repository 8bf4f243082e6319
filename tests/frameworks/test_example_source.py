"""The source that docs/how-to/add-a-source.md prints, loaded from a folder as a third party would,
keeps its word.
"""

import os
import sys

import pytest
from detaudit.commands.scan.experiments.unpin import unpin
from detaudit.core.experiment import Asking
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.runner import Runner
from detaudit.registry import base
from detaudit_probes import sources

from tests.pure.test_docs import example_source

pytestmark = pytest.mark.framework


def test_the_example_makes_runs_differ_and_its_pin_works(tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    folder = tmp_path / "probes"
    folder.mkdir()
    (folder / "file_times.py").write_text(example_source())
    source = sources.with_third_party([str(folder)])[-1].SOURCE
    known = {**base.known_pins(), **{pin.id: pin for pin in source.pins}}
    runner = Runner(
        Interpreter(sys.executable, "tensorflow", probes=(str(folder),)),
        Limits(),
        tmp_path / "control",
        os.environ,
    )
    try:
        asking = Asking(unpin(source, base.base_condition("tensorflow", "cpu", 1), known, 1))
        runner.run([asking])
    finally:
        runner.close()
    verdict = asking.finding
    assert (verdict.verdict, verdict.pin) == ("needs-pin", source.pins[0].id), verdict.reason
    assert verdict.divergence.stage == "data"
