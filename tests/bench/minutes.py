"""How long `detaudit run` takes, in run-times of the script: ``python -m tests.bench.minutes
[SCRIPT ...] [--out FILE] [--corpus FILE] [--longer SECONDS] [--old CHECKOUT] [--interrupt RUNS]``.

A run-time is the median wall time of three plain runs of the script, before, between and after the
audits. Scripts are those of the corpus that do not repeat; with ``--longer`` the epochs of a script
are multiplied until a plain run takes about so many seconds. ``--old`` audits each script with an
earlier state of detaudit as well, and no pin timed. With ``--interrupt``, an audit gets a SIGTERM
after so many run-times, and the command that it prints continues it. ``all`` stands for every
script that does not repeat; with ``--corpus``, what each audit found goes into that file too, as a
row of the bench ``corpus``. Measure on an idle machine. Resumable: what is in the file for this
state of detaudit is not run again; without a SCRIPT, the summary is printed.
"""

import argparse
import compileall
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.bench.corpus import CORPUS, cases, judged, keep, kept, load, product

FIRST = "Two runs differ"  # the first sentence of an audit that finds a difference
EPOCHS = re.compile(r"(epochs\s*=\s*|EPOCHS\s*=\s*|range\()(\d+)")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scripts", nargs="*")
    parser.add_argument("--out", type=Path, default=Path("minutes.jsonl"))
    parser.add_argument("--corpus", type=Path)
    parser.add_argument("--longer", type=float, default=0.0)
    parser.add_argument("--old", type=Path)
    parser.add_argument("--interrupt", type=float)
    options = parser.parse_args()
    state = product()
    for folder in ("audit", "probes"):  # as pip does it
        compileall.compile_dir(Path(__file__).parents[2] / folder, quiet=1)
    done = {(one["script"], one["longer"]) for one in kept(options.out) if one["state"] == state}
    for script in _scripts(options.scripts):
        if (script, options.longer) not in done:
            found = measured(script, options.longer, options.old, options.interrupt)
            keep(options.out, {"state": state, **found})
            if options.corpus is not None:
                row = {"case": script, **found["new"]["judged"], "seconds": found["new"]["seconds"]}
                keep(options.corpus, row)
            print(described(found), flush=True)
    print(summary([one for one in kept(options.out) if one["state"] == state]))
    return 0


def _scripts(names: Sequence[str]) -> list[str]:
    """The cases of these names; without names, none: the file is summarized."""
    every = [case for case in cases(("frozen", "causes")) if _differs(load(case))]
    return every if "all" in names else [one for one in every if one.partition("/")[2] in names]


def _differs(planted: dict) -> bool:
    return any(not one.get("varies_only") for one in planted["causes"])


def measured(script: str, longer: float, old: Path | None, interrupt: float | None = None) -> dict:
    planted = load(script)
    with tempfile.TemporaryDirectory(prefix="minutes-") as holder:
        folder = Path(holder) / "work"
        shutil.copytree(CORPUS / script, folder)
        command = ["-m", planted["module"]] if planted["module"] else ["train.py"]
        command += planted["arguments"]
        plain = [_plain(folder, command)]
        if longer:
            _lengthen(folder, longer / plain[0])
            plain = [_plain(folder, command)]
        ended = None if interrupt is None else interrupt * plain[0]
        new = _audit(folder, command, Path(holder) / "new.json", None, planted, ended)
        plain.append(_plain(folder, command))
        before = None
        if old is not None:
            before = _audit(folder, command, Path(holder) / "old.json", old.resolve(), planted)
        plain.append(_plain(folder, command))
    return {
        "script": script,
        "longer": longer,
        "plain": statistics.median(plain),
        "plain_runs": plain,
        "new": new,
        "old": before,
    }


def _plain(folder: Path, command: Sequence[str]) -> float:
    """The seconds of one run of the script, without detaudit."""
    with tempfile.TemporaryDirectory() as holder:
        work = Path(holder) / "work"
        shutil.copytree(folder, work)
        began = time.monotonic()
        subprocess.run([sys.executable, *command], cwd=work, capture_output=True, check=True)
        return round(time.monotonic() - began, 2)


def _lengthen(folder: Path, factor: float) -> None:
    """Multiply the epochs, in every file of the script."""
    for path in folder.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        longer = EPOCHS.sub(lambda one: f"{one[1]}{max(1, round(int(one[2]) * factor))}", text)
        path.write_text(longer, encoding="utf-8")


def _audit(
    folder: Path,
    command: Sequence[str],
    out: Path,
    checkout: Path | None,
    planted: dict,
    interrupt: float | None = None,
) -> dict:
    """One audit as a user starts it: seconds to the first sentence and to the last line. It gets a
    SIGTERM after ``interrupt`` seconds, and is then continued.
    """
    environment, options = dict(os.environ), ["--json", str(out)]
    if checkout is not None:
        options.append("--no-cost")
        environment["PYTHONPATH"] = f"{checkout / 'audit'}:{checkout / 'probes'}"
    heard, began = _Heard(), time.monotonic()
    place = {"cwd": folder, "env": environment}
    started = [sys.executable, "-m", "detaudit", "run", *options, *command]
    code = heard.run(started, interrupt, **place)
    if interrupt is not None:
        assert code == 130, code
        code = heard.run(shlex.split(heard.last), None, **place)
    seconds, first = round(time.monotonic() - began, 2), heard.first
    report = json.loads(out.read_text(encoding="utf-8"))
    asked = [report["conditions"][one["condition"]]["options"] for one in report["trials"]]
    return {
        "seconds": seconds,
        "first": first,
        "causes": sorted(one["source"] for one in report["causes"]),
        "judged": judged(planted, report) if checkout is None else None,
        "fixed": bool(report["fix"] and report["fix"]["verified"]),
        "exit": code,
        "whole": sum(not one.get("stop_steps") for one in asked),
        "short": sum(bool(one.get("stop_steps")) and not one.get("forked") for one in asked),
        "forked": sum(bool(one.get("forked")) for one in asked),
        "warnings": report["warnings"],
    }


class _Heard:
    """What audits say on standard error: seconds to the first sentence, and the last line."""

    def __init__(self) -> None:
        self._began = time.monotonic()
        self.first: float | None = None
        self.last = ""

    def run(self, command: Sequence[str], interrupt: float | None, **place: Any) -> int:
        """Run an audit, which gets a SIGTERM after ``interrupt`` seconds; return its exit code."""
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, **place
        )
        assert process.stderr is not None
        timer = threading.Timer(interrupt or 0.0, process.terminate)
        if interrupt is not None:
            timer.start()
        for line in process.stderr:
            if self.first is None and line.startswith(FIRST):
                self.first = round(time.monotonic() - self._began, 2)
            self.last = line.strip() or self.last
        timer.cancel()
        return process.wait()


def described(found: dict) -> str:
    new, run = found["new"], found["plain"]
    line = (
        f"{found['script']}: one run {run:.1f} s; answer after {new['seconds'] / run:.1f} run-times, first sentence "
        f"after {(new['first'] or 0) / run:.1f}; {new['whole']} whole, {new['short']} short, {new['forked']} forked "
        f"runs; {', '.join(new['causes']) or 'no cause'}{', fixed' if new['fixed'] else ''}"
    )
    if found["old"] is not None:
        old = found["old"]
        same = "the same causes" if old["causes"] == new["causes"] else f"causes {old['causes']}"
        line += f"; before: {old['seconds'] / run:.1f} run-times, {old['whole']} runs, {same}"
    return line


def summary(done: Sequence[dict]) -> str:
    """The medians, 90th percentiles and worst of all scripts, by their length."""
    lines = []
    for longer in sorted({one["longer"] for one in done}):
        some = [one for one in done if one["longer"] == longer]
        title = f"{longer:.0f} s" if longer else "as they are"
        for name, ratios in (
            ("answer", [one["new"]["seconds"] / one["plain"] for one in some]),
            ("first sentence", [(one["new"]["first"] or 0) / one["plain"] for one in some]),
            ("answer before", [one["old"]["seconds"] / one["plain"] for one in some if one["old"]]),
        ):
            if ratios:
                ordered = sorted(ratios)
                ninth = ordered[min(len(ordered) - 1, int(0.9 * len(ordered)))]
                lines.append(
                    f"{title}, {name}: median {statistics.median(ordered):.1f}, 90 % {ninth:.1f}, worst "
                    f"{ordered[-1]:.1f} run-times ({len(ordered)} scripts)"
                )
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
