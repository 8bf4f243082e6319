"""Is the user's folder what it was, and is nothing left? ``python -m tests.bench.folder
[--isolation KIND] [--kills N] [--signals N] [GROUP ...]``.

Every script of the corpus is audited in a folder of its own, under each isolation, with
``--no-search --pairs 1``; the folder's bytes, modes and times of change are compared before and
after. ``--whole`` audits to the end instead, and with ``--halfway`` once more, killed with SIGKILL
after half of that time. ``--kills N`` kills audits of a script that spoils its
folder and starts a daemon, with SIGKILL at random moments; ``in-place`` is compared after the next
start, which restores. Processes and folders that are left are counted. ``--signals N`` sends each
of SIGTERM and SIGHUP to as many, twice within a second, and looks for the report. Resumable with
``--out``.
"""

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from detaudit.execution import claims
from detaudit.execution.sandbox.view import KINDS
from detaudit.execution.workspace import KEPT, LONG, SHORT

from tests.bench import corpus
from tests.wire.test_sandbox import state_of

#: What the next start does first.
CLEAR = "from detaudit.execution import clearing; print(*clearing.clear(), sep='\\n')"
SPOILS = """
import os, shutil, subprocess, time
subprocess.Popen(["sleep", "600"], start_new_session=True)
for turn in range(4):
    for name in os.listdir("data"):
        open(os.path.join("data", name), "w").write("spoilt %d" % turn)
    os.makedirs("runs/%d" % turn)
    if os.path.exists("old"):
        shutil.rmtree("old")
    open("model.bin", "wb").write(os.urandom(100000))
    time.sleep(0.1)
"""


def changed(before: dict[str, tuple], folder: Path) -> list[str]:
    after = state_of(folder)
    return sorted(
        name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
    )


def command(kind: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "detaudit", "run", "--isolation", kind, *options]


def audit(case: str, kind: str, whole: bool, killed_after: float | None = None) -> dict:
    """What one audit of a script of the corpus has changed in its folder; if it is killed, after
    the next start.
    """
    planted = corpus.load(case)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "project"
        shutil.copytree(corpus.CORPUS / case, folder)
        own = {**os.environ, "XDG_STATE_HOME": f"{home}/state", "TMPDIR": home}
        before, began = state_of(folder), time.monotonic()
        how = () if whole else ("--no-search", "--pairs", "1")
        target = ("-m", planted["module"]) if planted["module"] else ("train.py",)
        ran = subprocess.Popen(
            command(kind, "--no-cost", *how, *target, *planted["arguments"]),
            cwd=folder,
            env=own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        with contextlib.suppress(subprocess.TimeoutExpired):
            ran.wait(killed_after)
        seconds = time.monotonic() - began
        if killed_after is not None:
            ran.kill()
            ran.wait()
            subprocess.run([sys.executable, "-c", CLEAR], env=own, capture_output=True, check=True)
        return {
            "case": case,
            "kind": kind,
            "whole": whole,
            "halfway": killed_after is not None,
            "changed": changed(before, folder),
            "processes": len(survivors(home)),
            "exit": ran.returncode,
            "seconds": round(seconds, 1),
        }


def kill(kind: str, number: int, longest: float) -> dict:
    """An audit killed at a moment drawn from ``number``: what it changed, and which processes and
    folders it left. ``saved`` are folders with finished trials, which the next start offers for
    ``--resume``.
    """
    moment = random.Random(f"{kind} {number}").uniform(0.2, longest)
    with project() as (home, folder, own):
        before = state_of(folder)
        audited = started(folder, own, kind)
        time.sleep(moment)
        audited.send_signal(signal.SIGKILL)
        audited.communicate()
        left = survivors(home)
        said = subprocess.run(
            [sys.executable, "-c", CLEAR], env=own, capture_output=True, text=True, check=True
        ).stdout
        folders = list(left_folders(home))
        return {
            "kill": number,
            "kind": kind,
            "moment": round(moment, 2),
            "changed": changed(before, folder),
            "processes": len(left),
            "restored": "Restored" in said,
            "saved": sum((path / KEPT).exists() for path in folders),
            "folders": sum(not (path / KEPT).exists() for path in folders),
        }


def interrupt(name: str, number: int, longest: float) -> dict:
    """An audit that is sent a signal twice, at a moment drawn from ``number`` after its first line:
    whether its report is there.
    """
    draw = random.Random(f"{name} {number}")
    moment, pause = draw.uniform(0, longest), draw.uniform(0, 1)
    with project() as (home, folder, own):
        before = state_of(folder)
        report = Path(home) / "report.json"
        audited = started(folder, own, KINDS[number % len(KINDS)], "--json", str(report))
        audited.stderr.readline()
        time.sleep(moment)
        audited.send_signal(signal.Signals[name])
        time.sleep(pause)
        audited.send_signal(signal.Signals[name])
        audited.communicate()
        written = json.loads(report.read_text()) if report.exists() else {}
        folders = list(left_folders(home))
        return {
            "kill": number,
            "kind": name,
            "moment": round(moment, 2),
            "changed": changed(before, folder),
            "processes": len(survivors(home)),
            "exit": audited.returncode,
            "report": written.get("exit_code") == audited.returncode,
            "interrupted": written.get("interrupted", False),
            "saved": sum((path / KEPT).exists() for path in folders),
            "folders": sum(not (path / KEPT).exists() for path in folders),
        }


@contextlib.contextmanager
def project() -> Iterator[tuple[str, Path, dict[str, str]]]:
    """A home, the folder of a script in it, and the environment for an audit of it."""
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "project"
        for name in ("data/a", "data/b", "old/c", "train.py"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(SPOILS if name == "train.py" else name)
        yield home, folder, {**os.environ, "XDG_STATE_HOME": f"{home}/state", "TMPDIR": home}


def started(folder: Path, own: dict[str, str], kind: str, *options: str) -> subprocess.Popen:
    return subprocess.Popen(
        command(kind, "--no-search", *options, "train.py"),
        cwd=folder,
        env=own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )


def left_folders(home: str) -> Iterator[Path]:
    """What audits have left for themselves: on the disk, in memory, and journals."""
    for path in Path(home).iterdir():
        if path.name.startswith((SHORT, LONG)):
            yield path
    yield from Path(home, "state", "detaudit", "journals").glob("*")
    for store in Path("/dev/shm").glob(f"{LONG}*"):
        with contextlib.suppress(OSError):
            if (store / claims.LOCK).read_text().startswith(home):
                yield store


def survivors(home: str, seconds: float = 10.0) -> list[int]:
    """Processes that still have their temporary folder below ``home`` after some seconds."""
    deadline = time.monotonic() + seconds
    while True:
        left = [
            process.pid
            for process in psutil.process_iter(["environ"])
            if (process.info["environ"] or {}).get("TMPDIR", "").startswith(home)
        ]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", default=[])
    parser.add_argument("--isolation", choices=KINDS, action="append")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--signals", type=int, default=0)
    parser.add_argument("--longest", type=float, default=5.0, help="seconds until the latest kill")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--halfway", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("folder.jsonl"))
    options = parser.parse_args()
    results = corpus.kept(options.out)
    present = {(row.get("case", row.get("kill")), row["kind"], row.get("whole")) for row in results}
    for kind in options.isolation or KINDS:
        cases = (
            []
            if options.kills or options.signals
            else corpus.cases(options.groups or corpus.OF_KERAS)
        )
        for case in cases:
            if (case, kind, options.whole) in present or (
                options.only and case.partition("/")[2] not in options.only
            ):
                continue
            row = audit(case, kind, options.whole)
            report(options.out, row)
            if options.halfway:
                report(options.out, audit(case, kind, options.whole, row["seconds"] / 2))
        for number in range(options.kills):
            if (number, kind, None) not in present:
                report(options.out, kill(kind, number, options.longest))
    for name in ("SIGTERM", "SIGHUP"):
        for number in range(options.signals):
            if (number, name, None) not in present:
                report(options.out, interrupt(name, number, options.longest))
    rows = corpus.kept(options.out)
    bad = [row for row in rows if is_bad(row)]
    print(f"{len(rows)} audits, {len(bad)} of which changed or left something, or had no report")
    return 1 if bad else 0


def is_bad(row: dict) -> bool:
    left = row.get("processes") or row.get("folders")
    return bool(row["changed"] or left or not row.get("report", True))


def report(out: Path, row: dict) -> None:
    corpus.keep(out, row)
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    sys.exit(main())
