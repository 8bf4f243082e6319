"""What `sources`, `explain`, `machine` and `report` print in a pipe and on a terminal."""

import json
import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from detaudit.registry import base

pytestmark = pytest.mark.wire

ENVIRONMENT = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "TERM")}


def piped(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "detaudit", *arguments],
        capture_output=True,
        text=True,
        check=True,
        env=ENVIRONMENT,
    )
    return done.stdout


def on_a_terminal(*arguments: str) -> str:
    """What the command prints on a terminal of 80 columns without colours."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "detaudit", *arguments],
        stdout=follower,
        stderr=subprocess.DEVNULL,
        env={**ENVIRONMENT, "COLUMNS": "80", "TERM": "dumb"},
    )
    os.close(follower)
    shown = b""
    while True:
        try:
            read = os.read(leader, 4096)
        except OSError:
            break
        if not read:
            break
        shown += read
    os.close(leader)
    assert process.wait() == 0
    return shown.decode().replace("\r\n", "\n")


def test_the_lines_to_paste_of_a_pipe_run_as_they_are():
    lines = piped("explain", "sparse-update")
    pasted = re.findall(r"^In the script:\n((?:.+\n)+?)(?=Note|\n|It pins)", lines, re.MULTILINE)
    assert len(pasted) >= 3
    for one in pasted:
        compile(one, "pasted", "exec")


def test_every_source_is_one_row_in_a_pipe_and_whole_at_80_columns():
    rows = piped("sources", "--backend", "tensorflow").splitlines()[1:]
    known = base.script_sources("tensorflow")
    assert [row.split()[0] for row in rows] == list(known)
    assert all(row.endswith(known[row.split()[0]].title) for row in rows)
    shown = on_a_terminal("sources", "--backend", "tensorflow")
    assert all(len(line) <= 80 for line in shown.splitlines()) and "\u2026" not in shown
    words = " ".join(shown.split())
    for source in known.values():
        assert source.id in words and source.title.split()[-1] in words


def test_a_source_cannot_be_tried_on_a_backend_that_is_not_there():
    names = set(piped("sources", "--backend", "theano").split())
    assert "theano" in names and "tried" not in names


def test_what_is_known_of_the_machine_is_one_fact_a_row_in_a_pipe():
    output, document = piped("machine"), json.loads(piped("machine", "--json"))
    flags = " ".join(document["machine"]["processor"]["flags"])
    assert flags and any(line.endswith(flags) for line in output.splitlines())


def test_each_has_json():
    sources = json.loads(piped("sources", "--backend", "tensorflow", "--json"))
    assert [one["id"] for one in sources] == list(base.script_sources("tensorflow"))
    source = json.loads(piped("explain", "sparse-update", "--json"))
    assert source["pins"][0]["id"] == "op-determinism"
    assert source["pins"][0]["lines"][1].startswith("tf.config.experimental.enable_op_det")
    saved = json.loads(piped("report", "tests/golden/report-full.json", "--json"))
    assert saved["format"] == "detaudit.report"


def test_a_saved_report_is_whole_in_a_pipe():
    output = piped("report", "tests/golden/report-full.json")
    document = json.loads(Path("tests/golden/report-full.json").read_text())
    lines = output.splitlines()
    assert all(line in lines for line in document["recipe"]["lines"] if len(line) < 80)
    assert not any(line.endswith(" ") for line in lines)
