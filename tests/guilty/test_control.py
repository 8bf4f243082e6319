"""If runs differ with everything pinned, the scan says so plainly and stops attributing."""

import io
import json
import shutil
import sys

import pytest
from detaudit.commands.scan.conclusion import conclude
from detaudit.commands.scan.session import Options, scan
from detaudit.report.build import scan as build
from detaudit.report.formats import registry
from detaudit_probes.protocol import SOURCES_VARIABLE
from rich.console import Console

from tests.guilty.conftest import PLANT

pytestmark = pytest.mark.guilty


def test_a_control_that_differs_ends_the_scan_and_accuses_no_source(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    monkeypatch.setenv(SOURCES_VARIABLE, str(shutil.copy(PLANT, tmp_path)))
    (tmp_path / "plant.json").write_text(json.dumps({"when": "always"}))
    audit = scan(Options(sys.executable, depth="quick", trials=1), lambda event: None)
    assert {one.condition.model for one in audit.control.differing} == {
        "mlp",
        "cnn",
        "text",
        "lstm",
        "attention",
    }
    assert (audit.verdicts, audit.ladder, audit.recipe) == ((), (), None)
    concluded = conclude(audit)
    assert (concluded.outcome, concluded.exit_code) == ("broken", 1)
    document = build.document(audit)
    assert document.exit_code == 1
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(registry.on_screen(document, False))
    assert "differ although everything is pinned" in console.export_text().splitlines()[0]
