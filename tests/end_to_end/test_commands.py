"""Every command, its help, its misspellings and its exit codes."""

import re

import pytest
from detaudit.registry.base import script_sources as known_sources
from detaudit.registry.recipes import pin_lines

COMMANDS = ("scan", "run", "sources", "explain", "machine", "report")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_shows_an_example(detaudit, name):
    ran = detaudit(name, "--help")
    assert ran.code == 0
    assert f"Example: detaudit {name}" in " ".join(ran.out.split())


def test_the_version(detaudit):
    assert re.fullmatch(r"detaudit \d+\.\d+\.\d+\n", detaudit("--version").out)


def test_sources_lists_every_source_and_what_cannot_be_tried(detaudit):
    ran = detaudit("sources")
    assert ran.code == 0
    for name in known_sources("tensorflow"):
        assert name in ran.out
    assert "torch-seed" not in ran.out  # a source of another backend
    assert "needs 2 GPUs" in ran.out


@pytest.mark.parametrize("name", [*known_sources()])
def test_explain_tells_the_experiment_and_the_pin(detaudit, name):
    ran = detaudit("explain", name)
    assert ran.code == 0
    assert "What is tried" in ran.out
    source = known_sources()[name]
    for pin in source.pins:
        assert f"Pin: {pin.id}" in ran.out
        for line in pin_lines(pin, source.backends[0]):
            assert line.format(seed=1).partition("  # ")[0] in ran.out


def test_explain_tells_the_lines_of_another_backend(detaudit):
    ran = detaudit("explain", "intra-op-threads", "--backend", "torch")
    assert (
        "torch.set_num_threads(1)" in ran.out
        and "tf.config" not in ran.out.split("What it is")[0].split("Pin:")[1]
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ("explain", "sparse-updat"),
        ("scan", "--only", "sparse-updat"),
        ("scan", "--skip", "sparse-updat"),
    ],
)
def test_a_misspelt_source_offers_the_nearest(detaudit, arguments):
    ran = detaudit(*arguments)
    assert ran.code == 2
    assert "Did you mean sparse-update?" in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("scan", "--backend", "mxnet"),
        ("scan", "--device", "tpu"),
        ("scan", "--quick", "--full"),
        ("scan", "--trials", "0"),
        ("scan", "--nonsense"),
        ("scan", "--python", "/nowhere/python"),
        ("report", "nowhere.json"),
        ("report", __file__),
        ("scan", "--resume", "nowhere.json"),
        ("ops", "--resume", "nowhere.json"),
        ("scan", "--json", "/nowhere/at/all.json"),
        ("scan", "--only", "xla", "--skip", "xla"),
    ],
)
def test_usage_is_answered_before_any_work(detaudit, arguments):
    ran = detaudit(*arguments, timeout=60)
    assert ran.code == 2
    assert ran.err.strip()
    assert "Traceback" not in ran.err


def test_machine_tells_what_it_knows_and_nothing_private(detaudit, tmp_path):
    import getpass
    import json
    import socket

    ran = detaudit("machine", "--json", DETAUDIT_SECRET="hunter2hunter2", HOME=str(tmp_path))
    reported = json.loads(ran.out)
    assert reported
    assert socket.gethostname() not in ran.out
    assert str(tmp_path) not in ran.out
    assert "hunter2" not in ran.out
    if getpass.getuser() != "root":
        assert getpass.getuser() not in ran.out
