"""A fix for a program whose second run reads what its first one left: the argument of a library
that starts anew; or else the line, for the user to add, that removes what was left.
"""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from detaudit_probes.declare import Edit

from detaudit.commands.run import fix
from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import Cause, Fix
from detaudit.commands.run.repeat import Answer, Comparing, ask
from detaudit.core.condition import Trial
from detaudit.core.counting import excluded_rate
from detaudit.core.divergence import Match
from detaudit.core.experiment import Experiment
from detaudit.registry import base

MOST_REMOVED = 3  # files, each by a line of its own

Found = Experiment[tuple[Fix | None, str]]


def find_fix(
    case: Case,
    cause: Cause,
    pairs: int,
    compare: Comparing,
    left: Sequence[str],
    written: Sequence[str],
) -> Found:
    """Return the first change of the program with which ``pairs`` of runs in fresh folders match,
    and as many runs that each start with the files that the first of them left match that one; or
    else what to do by hand: the lines that were shown to do it, because they delete files.

    ``left`` are the files of the first run that later ones have read, of those that it has
    ``written``.
    """
    before: dict[str, str | None] = {}
    removals = [fix.Way(Edit("insert", lines)) for lines in _removals(case, left, written)]
    for number, way in enumerate([*_ways(cause), *removals]):
        files = fix.applied(case, (way,), before)
        if files is None:
            continue
        version = case.program.add_version(f"anew {number}", files)
        asked = 1 if way in removals else pairs
        answer = yield from _as_in_a_fresh_folder(case, version, asked, compare)
        if answer is None:
            continue
        runs, excluded = answer.repeats.runs, excluded_rate(pairs)
        if way in removals:
            assert way.edit is not None
            return None, _by_hand(way.edit, runs + asked)
        return Fix(
            fix.diff(before, files),
            (),
            True,
            runs + pairs,
            f"{runs} runs of the changed script are bitwise identical (a rate above {excluded:.0%} is excluded), "
            f"and so are {pairs} that start with the files of an earlier run",
            excluded_rate=excluded,
            texts=fix.changed_texts(case, before, files),
        ), ""
    return None, ""


def _as_in_a_fresh_folder(
    case: Case, version: str, pairs: int, compare: Comparing
) -> Experiment[Answer | None]:
    """Return the answer of runs of a version in fresh folders, if they match, and runs that start
    with the files of the first of them match it; else None.
    """
    fresh = case.unpinned.with_orders(version=version, kept=True)
    answer = yield from ask(fresh, pairs)
    if answer.matches is not True:
        return None
    again = [Trial(fresh.with_orders(kept=False, left=True), one) for one in range(pairs)]
    found = yield again
    same = all(isinstance(compare(answer.runs[0], found[one]), Match) for one in again)
    return answer if same else None


def _ways(cause: Cause) -> Iterator[fix.Way]:
    yield from fix.library_ways(cause)
    for edit in base.script_sources()[cause.source].edits:
        yield fix.Way(edit, sites=cause.sites)


def _by_hand(edit: Edit, runs: int) -> str:
    lines = "; ".join(line.format() for line in edit.lines)
    return (
        f"with `{lines}` at the start, {runs} runs match, in fresh folders and with the files of an earlier "
        f"run. detaudit does not add it, because it deletes what earlier runs have left, and would do so "
        f"wherever the file is imported"
    )


def _removals(case: Case, left: Sequence[str], written: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the lines that remove the one folder that these files are in, if nothing else was
    ``written`` there, or else one file, or all of them. Nothing if one of them existed before the
    audit: it may be the user's.
    """
    root, folder = case.program.root, common_folder(left)
    alone = all(name in left for name in written if Path(folder) in Path(name).parents)
    if folder and alone and not (root / folder).exists():
        yield "import shutil", f"shutil.rmtree({_quoted(folder)}, ignore_errors=True)"
    elif 0 < len(left) <= MOST_REMOVED and not any((root / name).exists() for name in left):
        lines = [f"pathlib.Path({_quoted(name)}).unlink(missing_ok=True)" for name in left]
        for chosen in dict.fromkeys([*((line,) for line in lines), tuple(lines)]):
            yield "import pathlib", *chosen


def common_folder(names: Sequence[str]) -> str:
    """Return the innermost folder that all files are in; empty if that is the program's own."""
    return os.path.commonpath([os.path.dirname(name) for name in names]) if names else ""


def _quoted(name: str) -> str:
    """Return a name as a literal in a line of an edit, where a brace begins a field."""
    literal = repr(name)
    if literal.startswith("'") and '"' not in literal:
        literal = f'"{literal[1:-1]}"'
    return literal.replace("{", "{{").replace("}", "}}")
