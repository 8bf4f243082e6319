"""Files that a framework opens in C++ are recorded like those that Python opens."""

import os
import sys

import pytest
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Asking
from detaudit.execution.host import Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.program import process, program
from detaudit.execution.runner import Runner

from tests.wire.conftest import ask

pytestmark = pytest.mark.framework

OPENS = """import tensorflow as tf
def load():
    with tf.io.gfile.GFile("trial.json") as file:  # 3
        return file.read()
with tf.io.gfile.GFile("log.txt", "a") as file:
    file.write(load())
with tf.io.gfile.GFile("new.txt", mode="w") as file:
    file.write("1")
with tf.io.gfile.GFile("../elsewhere.txt", "w") as file:
    file.write("1")
tf.io.read_file("input.txt")  # 11
"""


def test_what_tensorflow_reads_and_writes_is_reported_with_its_lines(tmp_path):
    pytest.importorskip("tensorflow", reason="TensorFlow is not installed here")
    folder = tmp_path / "work"
    folder.mkdir()
    for name, content in {"train.py": OPENS, "trial.json": "{}", "input.txt": "1"}.items():
        (folder / name).write_text(content)
    found = program.find("train.py", False, (), folder)
    runner = Runner(
        Interpreter(sys.executable, "tensorflow", fork=False),
        Limits(1),
        tmp_path / "control",
        dict(os.environ),
        keep_bytes=False,
        open_host=lambda *given: process.Process(found, *given),
    )
    plain = Condition("tensorflow", "auto", "train.py", 1)
    spied = plain.with_orders(spy="input-changed", files=("trial.json", "input.txt"))
    asking = Asking(ask([Trial(plain, 0), Trial(spied, 0)]))
    runner.run([asking])
    runner.close()
    recorded, reported = (one.trace for one in asking.finding)
    files = recorded.measures.files
    assert files.read == ("input.txt", "trial.json")
    assert files.elsewhere == (str(tmp_path / "elsewhere.txt"),)
    draws = reported.sites().draws
    assert {(draw.line, draw.function) for draw in draws} == {(3, "load"), (11, "<module>")}
