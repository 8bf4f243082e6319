"""Is the user's folder what it was? ``python -m tests.bench.folder [--isolation KIND] [--kills N]
[GROUP ...]``.

Every script of the corpus is audited in a folder of its own, under each isolation, with
``--no-search --pairs 1``; the folder's bytes, modes and times of change are compared before and
after. ``--whole`` audits to the end instead. ``--kills N`` kills audits of a script that spoils its
folder, with SIGKILL at random moments; ``in-place`` is compared after the next start, which
restores. Resumable with ``--out``.
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil
from detaudit.execution.sandbox.view import IN_PLACE, KINDS

from tests.bench import corpus
from tests.wire.test_sandbox import state_of

RECOVER = "from detaudit.execution.sandbox import in_place; print(len(list(in_place.recover())))"
SPOILS = """
import os, shutil, time
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


def audit(case: str, kind: str, whole: bool) -> dict:
    """What one audit of a script of the corpus has changed in its folder."""
    planted = corpus.load(case)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "project"
        shutil.copytree(corpus.CORPUS / case, folder)
        before, began = state_of(folder), time.monotonic()
        how = () if whole else ("--no-search", "--pairs", "1")
        target = ("-m", planted["module"]) if planted["module"] else ("train.py",)
        ran = subprocess.run(
            command(kind, "--no-cost", *how, *target, *planted["arguments"]),
            cwd=folder,
            capture_output=True,
            check=False,
        )
        return {
            "case": case,
            "kind": kind,
            "whole": whole,
            "changed": changed(before, folder),
            "exit": ran.returncode,
            "seconds": round(time.monotonic() - began, 1),
        }


def kill(kind: str, number: int, longest: float) -> dict:
    """An audit killed at a moment drawn from ``number``: what it changed, and which processes it
    left.
    """
    moment = random.Random(f"{kind} {number}").uniform(0.2, longest)
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home) / "project"
        for name in ("data/a", "data/b", "old/c", "train.py"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(SPOILS if name == "train.py" else name)
        before = state_of(folder)
        own = {**os.environ, "XDG_STATE_HOME": str(Path(home) / "state"), "TMPDIR": home}
        audited = subprocess.Popen(
            command(kind, "--no-search", "train.py"),
            cwd=folder,
            env=own,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(moment)
        audited.send_signal(signal.SIGKILL)
        audited.wait()
        left = survivors(home)
        recovered = ""
        if kind == IN_PLACE:
            recovered = subprocess.run(
                [sys.executable, "-c", RECOVER], env=own, capture_output=True, text=True, check=True
            ).stdout.strip()
        return {
            "kill": number,
            "kind": kind,
            "moment": round(moment, 2),
            "changed": changed(before, folder),
            "processes": len(left),
            "recovered": recovered,
        }


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
    parser.add_argument("--longest", type=float, default=5.0, help="seconds until the latest kill")
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("folder.jsonl"))
    options = parser.parse_args()
    results = corpus.kept(options.out)
    present = {(row.get("case", row.get("kill")), row["kind"], row.get("whole")) for row in results}
    for kind in options.isolation or KINDS:
        cases = [] if options.kills else corpus.cases(options.groups or corpus.GROUPS)
        for case in cases:
            if (case, kind, options.whole) in present or (
                options.only and case.partition("/")[2] not in options.only
            ):
                continue
            report(options.out, audit(case, kind, options.whole))
        for number in range(options.kills):
            if (number, kind, None) not in present:
                report(options.out, kill(kind, number, options.longest))
    rows = corpus.kept(options.out)
    bad = [row for row in rows if row["changed"] or row.get("processes")]
    print(f"{len(rows)} audits, {len(bad)} of which changed a file or left a process")
    return 1 if bad else 0


def report(out: Path, row: dict) -> None:
    corpus.keep(out, row)
    print(json.dumps(row), flush=True)


if __name__ == "__main__":
    sys.exit(main())
