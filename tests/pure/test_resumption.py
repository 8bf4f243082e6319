"""The line that continues an interrupted audit: complete, and ready to paste."""

import shlex

import pytest
from detaudit.cli import resumption


@pytest.mark.parametrize(
    ("given", "program", "expected"),
    [
        (
            "scan --quick --only xla --seed 3",
            0,
            "detaudit scan --resume '/tmp/a b' --quick --only xla --seed 3",
        ),
        ("scan --resume /old --quick", 0, "detaudit scan --resume '/tmp/a b' --quick"),
        ("scan --resume=/old --quick", 0, "detaudit scan --resume '/tmp/a b' --quick"),
        (
            "run -m --pairs 2 pkg.train --resume mine -v",
            4,
            "detaudit run --resume '/tmp/a b' -m --pairs 2 pkg.train --resume mine -v",
        ),
        (
            "run --stop-after 60s -- train.py 'a b'",
            2,
            "detaudit run --resume '/tmp/a b' --stop-after 60s -- train.py 'a b'",
        ),
        ("ops --op Sum --op Mean", 0, "detaudit ops --resume '/tmp/a b' --op Sum --op Mean"),
    ],
)
def test_every_option_that_was_given_is_in_the_line(given, program, expected):
    line = resumption.command_line(shlex.split(given), {"--resume": "/tmp/a b"}, program)
    assert line == expected


def test_of_several_scans_the_one_that_was_interrupted_goes_on():
    given = shlex.split("scan --backend all --json out.json --quick")
    options = {"--resume": "/r", "--backend": "jax", "--json": "out-jax.json"}
    assert resumption.command_line(given, options) == (
        "detaudit scan --resume /r --backend jax --json out-jax.json --quick"
    )


def test_the_command_is_started_as_it_was(monkeypatch, tmp_path):
    command = tmp_path / "detaudit"
    command.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.argv", [str(command)])
    assert resumption.current_invocation() == "detaudit"
    monkeypatch.setattr("sys.argv", [".venv/bin/detaudit"])
    assert resumption.current_invocation() == ".venv/bin/detaudit"
    monkeypatch.setattr("sys.argv", ["/lib/detaudit/__main__.py"])
    assert resumption.current_invocation().endswith(" -m detaudit")
