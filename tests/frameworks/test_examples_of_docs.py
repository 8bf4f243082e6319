"""The source and the backend that docs/how-to prints keep their word on the real framework."""

import json
import sys

import pytest

from tests.wire.test_stranger import add_backend, add_command, blocks, checkout

pytestmark = pytest.mark.framework
__all__ = ["checkout"]


@pytest.fixture(autouse=True)
def tensorflow():
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")


def test_the_source_makes_runs_differ_and_its_pin_works(checkout, tmp_path):
    """In a folder of its own, as a third party's."""
    folder, saved = tmp_path / "mine", tmp_path / "scan.json"
    folder.mkdir()
    (file,) = blocks("add-a-source.md", "python")
    (folder / "file_times.py").write_text(file, encoding="utf-8")
    ask = ("scan", "--only", "file-times", "--trials", "1", "--backend", "tensorflow")
    checkout.detaudit(*ask, "--probes", str(folder), "--json", str(saved))
    (verdict,) = json.loads(saved.read_text(encoding="utf-8"))["verdicts"]
    assert (verdict["verdict"], verdict["pin"]) == ("needs-pin", "sorted-by-name")
    assert verdict["divergence"]["stage"] == "data"


def test_the_backend_trains(checkout, tmp_path):
    add_backend(checkout)
    add_command(checkout)
    saved = tmp_path / "again.json"
    ask = ("again", "--backend", "tensorflow_ours", "--python", sys.executable)
    done = checkout.detaudit(*ask, "--json", str(saved))
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(saved.read_text(encoding="utf-8"))
    assert report["matches"] and len(report["trials"]) == 2
    (condition,) = report["conditions"]
    assert condition["backend"] == "tensorflow_ours"
