"""The check for a day with a card, as far as it can be tried without one: docs/gpu.md."""

import argparse
import itertools
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.gpu import check

CHECK = Path(check.__file__).with_name("check.sh")


def shell(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([CHECK, *arguments], capture_output=True, text=True, check=False)


def test_without_a_folder_or_without_a_pack_it_says_what_is_missing(tmp_path):
    bare = shell()
    assert bare.returncode == 2 and bare.stderr.startswith("usage: tests/gpu/check.sh OUT")
    empty = shell(str(tmp_path / "out"), "--pack", str(tmp_path))
    assert empty.returncode == 2 and "run tests/gpu/pack.sh" in empty.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--minutes", "0"), "--minutes must be above 0"),
        (("--device", "tpu"), "invalid choice: 'tpu'"),
        (("--backend", "theano"), "invalid choice: 'theano'"),
        (("--only", "scan-jx"), "no part scan-jx; there are machine-before, scan-torch, scan-jax"),
    ],
)
def test_an_argument_that_is_wrong_ends_it_before_anything_runs(arguments, sentence, capsys):
    with pytest.raises(SystemExit) as ended:
        check.parse(["out", *arguments])
    assert ended.value.code == 2 and sentence in capsys.readouterr().err


def test_the_sources_that_need_one_card_are_scanned_and_no_others():
    parts = {part.name: part.command for part in check.parts_of(("torch", "jax"), "gpu")}
    for backend, sources in {
        "torch": {"cpu-or-gpu", "torch-cudnn", "tf32", "gpu-kernels"},
        "jax": {"cpu-or-gpu", "tf32", "gpu-kernels"},
    }.items():
        command = parts[f"scan-{backend}"]
        asked = {value for option, value in itertools.pairwise(command) if option == "--only"}
        assert asked == sources
        assert command[command.index("--device") + 1] == "gpu"
    assert [name for name in parts][-1] == "machine-after"


def test_a_part_leaves_a_summary_and_an_archive(tmp_path):
    """The installed detaudit in this interpreter, started as ``check.sh`` starts it."""
    ran = subprocess.run(
        [
            sys.executable,
            check.__file__,
            str(tmp_path / "out"),
            "--device",
            "cpu",
            "--backend",
            "tensorflow",
            "--minutes",
            "1",
            "--only",
            "machine-before",
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "check.tar.gz",
        "summary.txt",
    ]
    summary = (tmp_path / "out" / "summary.txt").read_text()
    assert summary == ran.stdout.removesuffix("\n")
    assert "machine-before: exit 0" in summary and "numpy" in summary
    with tarfile.open(tmp_path / "out" / "check.tar.gz") as packed:
        assert packed.getnames() == ["machine-before.log"]


# Bounds -------------------------------------------------------------------------------------------

STUBBORN = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("here", flush=True)
time.sleep(60)
"""


def part(name: str, program: str, *words: str, seconds: float = 30.0) -> check.Part:
    return check.Part(name, (sys.executable, "-c", program, *words), seconds, check.summarize_log)


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(check, "LEAST", 0.5)
    monkeypatch.setattr(check, "GRACE", 0.5)


def test_a_part_that_hangs_is_interrupted_and_one_that_will_not_end_is_killed(tmp_path, impatient):
    polite = check.run(part("polite", "import time\ntime.sleep(60)", seconds=2), 60, tmp_path)
    assert (
        polite.ended.startswith("interrupted after 2 s") and "KeyboardInterrupt" in polite.lines[-1]
    )
    stubborn = check.run(part("stubborn", STUBBORN, seconds=2), 60, tmp_path)
    assert stubborn.ended.startswith("killed") and stubborn.lines == ["here"]


def test_a_part_gets_no_more_time_than_is_left_and_none_is_begun_that_cannot_end(
    tmp_path, impatient
):
    short = check.run(part("short", "import time\ntime.sleep(60)"), 2.5, tmp_path)
    assert short.ended.startswith("interrupted after 2 s")
    late = check.run(part("late", "open('ran', 'w')"), 0.7, tmp_path)
    assert late.ended == "skipped: 1 s were left"


def test_one_that_fails_does_not_stop_the_next(tmp_path, monkeypatch, capsys):
    parts = [part("broken", "raise SystemExit('no card')"), part("sound", "print('fine')")]
    monkeypatch.setattr(check, "parts_of", lambda backends, device: parts)
    monkeypatch.setattr(sys, "argv", ["check", str(tmp_path / "out")])
    assert check.main() == 1
    summary = (tmp_path / "out" / "summary.txt").read_text().splitlines()
    assert any(line.startswith("broken: exit 1") for line in summary)
    assert "    no card" in summary and "    fine" in summary


def test_a_scan_that_found_no_card_is_no_success(tmp_path):
    on_gpu, on_cpu = check.scan("jax", "gpu"), check.scan("jax", "cpu")
    assert 3 not in on_gpu.statuses and 70 not in on_gpu.statuses and 3 in on_cpu.statuses
    failed = check.run(
        check.Part(
            "p",
            (sys.executable, "-c", "raise SystemExit(3)"),
            30,
            check.summarize_log,
            statuses=on_gpu.statuses,
        ),
        60,
        tmp_path,
    )
    assert (failed.ended, failed.accepted) == ("exit 3", False)


# Summaries ----------------------------------------------------------------------------------------


def test_the_summary_stays_under_a_hundred_lines(tmp_path):
    options = argparse.Namespace(backends=["torch"], device="gpu", minutes=8.0)
    results = [
        check.Result(f"part-{number}", "exit 0", True, 1.0, ["x" * 500] * 50)
        for number in range(20)
    ]
    lines = check.text_of(options, results).splitlines()
    assert len(lines) == check.MOST_LINES and lines[-1].endswith("lines more")
    assert max(map(len, lines)) <= check.MOST_COLUMNS


def test_a_report_that_is_missing_or_is_not_one_is_said_to_be(tmp_path):
    scan = check.scan("torch", "gpu")
    log, report = tmp_path / "log", tmp_path / "report"
    log.write_text("CUDA error: out of memory\n")
    assert check.summarize(scan, report, log) == [
        "no report; its last words:",
        "CUDA error: out of memory",
    ]
    report.write_text("{}")
    assert check.summarize(scan, report, log)[0].startswith("cannot be read: KeyError")


def test_a_scan_is_summed_up_from_its_report():
    golden = Path(check.ROOT, "tests", "golden", "report-full.json")
    lines = check.summarize_scan(json.loads(golden.read_text()))
    assert lines[0].startswith("inconclusive: not decided: replicas; 134 trials")
    assert any(line.startswith("python-random: needs-pin [python-random]: ") for line in lines)
