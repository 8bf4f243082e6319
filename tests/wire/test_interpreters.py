"""Unusual interpreters under test: each unusable one is reported in one sentence, with what to
do.
"""

import shutil
import subprocess
import sys
import textwrap
import venv
from types import SimpleNamespace

import pytest
from detaudit.errors import EnvironmentUnusable
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.runner import Runner
from detaudit.registry.base import base_condition


def greet(tmp_path, python, environment=None, start_timeout=60.0, imports=True):
    runner = Runner(
        Interpreter(str(python), "tensorflow", imports=imports, start_timeout=start_timeout),
        Limits(),
        tmp_path / "control",
        environment or {"PATH": "/usr/bin:/bin"},
    )
    try:
        return runner.greet(base_condition("tensorflow", "cpu", 1))
    finally:
        runner.close()


def refused(tmp_path, python, **choices):
    with pytest.raises(EnvironmentUnusable) as raised:
        greet(tmp_path, python, **choices)
    assert "\n" not in str(raised.value)
    assert raised.value.exit_code == 3
    return str(raised.value)


@pytest.fixture(scope="session")
def bare(tmp_path_factory):
    """An interpreter with nothing installed."""
    folder = tmp_path_factory.mktemp("bare") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    return folder / "bin" / "python"


def test_a_full_disk_is_no_fault_of_the_interpreter(tmp_path, monkeypatch):
    assert "exited with status 1" in refused(tmp_path / "a", "/bin/false")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=0))
    assert "No space is left in" in refused(tmp_path / "b", "/bin/false")


def planted(tmp_path, text):
    """An environment in which ``import tensorflow`` runs ``text``."""
    package = tmp_path / "planted" / "tensorflow"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(textwrap.dedent(text))
    (tmp_path / "planted" / "numpy.py").write_text("")
    return {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(tmp_path / "planted")}


def test_no_interpreter_there(tmp_path):
    assert "There is no interpreter at" in refused(tmp_path, tmp_path / "nowhere" / "python")


def test_a_file_that_is_no_program(tmp_path):
    path = tmp_path / "text"
    path.write_text("hello")
    path.chmod(0o755)
    assert "cannot be started as a Python interpreter" in refused(tmp_path, path)


def test_a_program_that_is_not_python(tmp_path):
    assert "exited with status" in refused(tmp_path, shutil.which("true"))


def test_no_framework_in_it(tmp_path, bare):
    message = refused(tmp_path, bare)
    assert "has no numpy" in message or "has no tensorflow" in message
    assert "Install it there" in message


def test_a_framework_that_is_half_installed(tmp_path, bare):
    message = refused(
        tmp_path, bare, environment=planted(tmp_path, "import tensorflow.missing_half")
    )
    assert "cannot import tensorflow" in message and "missing_half" in message
    assert "broken" in message


def test_a_framework_that_crashes_at_import(tmp_path, bare):
    message = refused(
        tmp_path,
        bare,
        environment=planted(
            tmp_path,
            """
        import os, sys
        sys.stderr.write("Illegal instruction in the constructor\\n")
        sys.stderr.flush()
        os.abort()
    """,
        ),
    )
    assert (
        "exited with status -6" in message and "Illegal instruction in the constructor" in message
    )


def test_a_framework_that_exits_at_import(tmp_path, bare):
    assert "SystemExit" in refused(
        tmp_path, bare, environment=planted(tmp_path, "raise SystemExit('no licence')")
    )


def test_a_framework_that_hangs_at_import(tmp_path, bare):
    environment = planted(tmp_path, "import time; time.sleep(600)")
    assert "did not finish importing" in refused(
        tmp_path, bare, environment=environment, start_timeout=3.0
    )


def old_interpreter(version):
    """An installed interpreter of that version, by its name on PATH or among pyenv's."""
    names = [f"python{version}", *(str(path) for path in _pyenv(version))]
    for name in names:
        found = shutil.which(name)
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            return found
    pytest.skip(f"no Python {version} on this machine")


def _pyenv(version):
    from pathlib import Path

    return sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))


def test_an_interpreter_that_is_too_old(tmp_path):
    message = refused(tmp_path, old_interpreter("2.7"))
    assert "Python 2.7 cannot be audited: the oldest supported version is Python 3.6" in message


def test_the_oldest_that_can_be_audited_answers(tmp_path):
    hello = greet(tmp_path, old_interpreter("3.6"), imports=False)
    assert hello.facts["python"].startswith("3.6.")


def test_the_link_of_a_virtual_environment_stays_a_link(tmp_path, bare):
    """Resolved, the interpreter would not see the virtual environment's packages."""
    environment = planted(tmp_path, "import sys; raise SystemExit('prefix ' + sys.prefix)")
    assert f"prefix {bare.parent.parent}" in refused(tmp_path, bare, environment=environment)


def test_the_tools_own_packages_are_not_on_the_path(tmp_path, bare):
    message = refused(
        tmp_path,
        bare,
        environment=planted(
            tmp_path,
            """
        try:
            import rich
        except ImportError:
            raise SystemExit("clean")
    """,
        ),
    )
    assert "clean" in message
    assert sys.executable != str(bare)


def test_another_detaudit_that_is_installed_there_is_not_asked(tmp_path, bare):
    """This happened: its guest answered in place of ours, and the interpreter was called broken."""
    package = tmp_path / "site" / "detaudit_probes"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('of another version')")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(package.parent)}
    assert greet(tmp_path, bare, environment, imports=False).facts["python"]


@pytest.mark.skipif(sys.version_info < (3, 11), reason="PYTHONSAFEPATH is younger")
def test_a_safe_path_takes_nothing_away(tmp_path, bare):
    """This happened: the first folder of PYTHONPATH was treated as the program's."""
    planted_first = tmp_path / "first"
    (planted_first / "numpy").mkdir(parents=True)
    (planted_first / "numpy" / "__init__.py").write_text("raise ImportError('met')")
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(planted_first)}
    environment["PYTHONSAFEPATH"] = "1"
    assert "met" in refused(tmp_path, bare, environment=environment)
