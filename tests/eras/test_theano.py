"""The tutorial's own environment: Keras 2.0.3 on Theano 0.9 and Python 3.6, audited from this one."""
import subprocess
import sys
from pathlib import Path

import pytest

from tests.end_to_end.conftest import detaudit  # noqa: F401  (a fixture)
from tests.pure.test_guest_floor import bare_python

pytestmark = pytest.mark.end_to_end
PINS = Path(__file__).with_name("keras203-theano09.txt")


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> str:
    """An interpreter of an environment that is made for the test, with nothing of detaudit in it."""
    folder = tmp_path_factory.mktemp("theano") / "environment"
    python = folder / "bin" / "python"
    for command in ([bare_python("3.6"), "-m", "venv", folder], [python, "-m", "pip", "install", "-q", "pip==21.3.1"],
                    [python, "-m", "pip", "install", "-q", "-r", PINS]):
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=600, check=False)
        if done.returncode:
            pytest.skip(f"Theano 0.9 cannot be installed here: {done.stderr[-300:]}")
    return str(python)


def test_numpys_seed_alone_decides_there(detaudit, old):  # noqa: F811
    found = detaudit("scan", "--backend", "theano", "--python", old, "--only", "weight-init", "--only", "batch-shuffle",
                     "--only", "python-random", "--trials", "1", "--timeout", "600", timeout=1200)
    assert found.code == 3, found.err  # python-random, which was asked for by name, was met by nothing
    verdicts = {one["source"]: (one["verdict"], one["pin"]) for one in found.report["verdicts"]}
    assert verdicts == {"weight-init": ("needs-pin", "numpy-legacy"), "batch-shuffle": ("needs-pin", "numpy-legacy"),
                        "python-random": ("skipped", None)}
    assert found.report["environment"]["packages"]["keras"] == "2.0.3"
    assert found.report["environment"]["python"].startswith("3.6")
    assert "Theano 0.9.0" in found.out and sys.version.split()[0] not in found.out
