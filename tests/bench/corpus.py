"""The corpus under ``tests/corpus``, audited and scored: ``python -m tests.bench.corpus [GROUP ...]
[--out FILE]``.

Resumable: what is in the file is not run again. A case is right if the named causes are exactly the
planted ones; a line is right if one of the call sites is among the lines that a user would accept.
``--table`` prints the file's contents as a table for docs/explanation/corpus.md. A case that needs
a package that is not installed beside the tests (Torch, JAX, PyArrow, gensim, Lightning) is audited
with the interpreter that a variable names (``_DETAUDIT_TORCH_PYTHON`` and so on), and left out
without it.
"""

import argparse
import hashlib
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

from detaudit.commands.run import session
from detaudit.execution.program import program
from detaudit.report import write
from detaudit.report.build import run as build_run

CORPUS = Path(__file__).parents[1] / "corpus"
OF_KERAS = ("frozen", "causes", "clean")
GROUPS = (*OF_KERAS, "any", "field")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("groups", nargs="*", default=[])
    parser.add_argument("--out", type=Path, default=Path("corpus.jsonl"))
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    done = kept(options.out)
    if options.table:
        print(table(done))
        return 0
    for case in cases(options.groups or GROUPS):
        if case in {one["case"] for one in done} or (
            options.only and case.partition("/")[2] not in options.only
        ):
            continue
        if interpreter(load(case)) is None:
            print(f"left out  {case}: no {load(case)['needs']}", flush=True)
            continue
        found = scored(case)
        keep(options.out, found)
        print(
            f"{'right' if found['right'] else 'WRONG'}  {case}: {found['found'] or found['verdict']} "
            f"(planted {found['planted'] or 'none'}), {found['trials']} runs, {found['seconds']:.0f} s",
            flush=True,
        )
    return 0


def kept(out: Path) -> list[dict]:
    """What a resumable study has found so far: a line of JSON each."""
    return (
        [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
        if out.exists()
        else []
    )


def keep(out: Path, found: dict) -> None:
    with open(out, "a", encoding="utf-8") as file:
        file.write(json.dumps(found, sort_keys=True) + "\n")


def product() -> str:
    """Which state of detaudit this is: a result outlives it."""
    root = Path(__file__).parents[2]
    files = sorted([*root.glob("audit/**/*.py"), *root.glob("probes/**/*.py")])
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:8]


def cases(groups: list[str] | tuple[str, ...]) -> list[str]:
    return [
        f"{group}/{path.parent.name}"
        for group in groups
        for path in sorted((CORPUS / group).glob("*/case.json"))
    ]


def load(case: str) -> dict:
    return json.loads((CORPUS / case / "case.json").read_text(encoding="utf-8"))


def interpreter(planted: dict) -> str | None:
    """The one that a case is audited with; None if it needs another one that is not named."""
    needs = planted.get("needs")
    named = os.environ.get(f"_DETAUDIT_{needs.upper()}_PYTHON") if needs else None
    if not needs or importlib.util.find_spec(needs) is not None:
        return named or sys.executable
    return named


def audit(folder: Path, planted: dict, **choices: object) -> dict:
    """The report of the script in ``folder``, as ``detaudit run`` writes it, no pin timed."""
    target = planted.get("target") or planted["module"] or "train.py"
    found = program.find(target, bool(planted["module"]), tuple(planted["arguments"]), folder)
    done = session.run(
        found, session.Options(interpreter(planted), cost=False, **choices), lambda event: None
    )
    return json.loads(write.to_json(build_run.document(done)))


def scored(case: str) -> dict:
    began, planted = time.monotonic(), load(case)
    found = judged(planted, audit(CORPUS / case, planted))
    return {"case": case, **found, "seconds": round(time.monotonic() - began, 1)}


def judged(planted: dict, report: dict) -> dict:
    """What was found of what was planted."""
    differing = [one for one in planted["causes"] if not one.get("varies_only")]
    resting = {one["source"] for one in planted["causes"] if one.get("varies_only")}
    wanted = sorted(one["source"] for one in differing)
    found = sorted(one["source"] for one in report["causes"])
    rests = {one["source"] for one in report["depends_on"]}
    right = found == wanted and report["reproducible"] is (not wanted) and resting <= rests
    lines = {
        one["source"]: bool(
            {(site["file"], site["line"]) for site in cause["sites"]}
            & {*((one["file"], line) for line in one["lines"]), *map(tuple, one.get("also", ()))}
        )
        for one in differing
        for cause in report["causes"]
        if cause["source"] == one["source"]
    }
    return {
        "planted": wanted,
        "found": found,
        "right": right,
        "lines": lines,
        "verdict": report["outcome"],
        "reason": report["reason"],
        "fixed": bool(report["fix"] and report["fix"]["verified"]),
        "no_fix_reason": report["no_fix_reason"],
        "trials": len(report["trials"]),
        "search": report["search"]["trial_count"],
        "rests": sorted(rests),
        "observer": report["observer"]["bits_unchanged"],
    }


def table(done: list[dict]) -> str:
    rows = [
        "| script | planted | found | line | fix | runs | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in sorted(done, key=lambda one: one["case"]):
        lines = "-" if not one["lines"] else "yes" if all(one["lines"].values()) else "no"
        found = ", ".join(one["found"]) or one["verdict"]
        mark = "" if one["right"] else " **wrong**"
        rows.append(
            f"| {one['case']} | {', '.join(one['planted']) or 'none'} | {found}{mark} | {lines} | "
            f"{'verified' if one['fixed'] else '-'} | {one['trials']} | {one['seconds']:.0f} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    sys.exit(main())
