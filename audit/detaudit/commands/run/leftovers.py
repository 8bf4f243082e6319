"""What an earlier run has left in the folder: is a run that finds it another training than one that
does not?

Every run of an audit begins from the folder as it was, so what a second run of the user's would
read is an experiment of its own: a run in the sandbox that the first one left. What lay in the
folder before the audit is another: a run without the files that the program makes itself.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from detaudit.commands.run import blame
from detaudit.commands.run.attribute import unresolved
from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import PARTED, Cause, Repeats, RunAudit
from detaudit.commands.run.program import written_by
from detaudit.commands.run.repeat import compare_runs, counted
from detaudit.core.condition import Condition, Trial
from detaudit.core.counting import SIGNIFICANT, fisher
from detaudit.core.divergence import Comparison, Divergence, Incomparable
from detaudit.core.experiment import Experiment, Finished
from detaudit.execution.sandbox.copies import ignored

SOURCE, PIN = "input-changed", "fresh-folder"
MOST = 8  # runs that begin from what an earlier one has left, to tell its effect from luck
MOST_ALONE = 6  # files that are taken away one by one


def compare_again(case: Case, first: Finished) -> Experiment[Comparison | None]:
    """A run in the sandbox that ``first`` has left, compared with it; None where that wrote
    nothing.
    """
    if not case.changed():
        return None
    trial = Trial(case.loose.with_orders(left=True), 0)
    found = yield [trial]
    if not found[
        trial
    ].outcome.completed:  # it may refuse to write over what is there: that is no other training
        return Incomparable(found[trial].outcome.reason)
    return compare_runs(first, found[trial])


def explain(case: Case, audit: RunAudit, runs: Sequence[Finished]) -> Experiment[RunAudit]:
    """Fresh runs match, and one that begins from what the first has left differs."""
    changed, names = case.loose.with_orders(left=True), case.changed()
    repeats = yield from _against(changed, runs)
    if not _shown(repeats, audit.repeats):
        return _unresolved(
            case, audit, repeats, "a run that begins from what an earlier one has left differed"
        )
    sites = yield from blame.openings(case, names, changed)
    return _caused(
        audit,
        repeats,
        sites,
        "a second run reads what the first one has left",
        f"it writes {', '.join(names[:3])}: write to a new folder in every run, or remove what an earlier "
        f"run has left",
    )


def _unresolved(case: Case, audit: RunAudit, repeats: Repeats, seen: str) -> RunAudit:
    return replace(
        audit,
        reproducible=False,
        repeats=repeats,
        reason=unresolved(
            case,
            f"{seen} in {repeats.parted} of {repeats.pairs} pairs, and runs from a fresh folder match",
        ),
    )


def add_under_pins(case: Case, audit: RunAudit) -> Experiment[RunAudit]:
    """Where fresh runs differ, and one that begins from an earlier one's files differs too: with
    the causes pinned, does that still matter?
    """
    pinned = case.held([cause.pin for cause in audit.causes])
    trials = [Trial(pinned, number) for number in range(MOST)]
    found = yield trials
    fresh = [found[trial] for trial in trials]
    repeats = yield from _against(pinned.with_orders(left=True), fresh)
    if not _shown(repeats, counted(fresh)):
        return audit
    sites = yield from blame.openings(case, case.changed(), pinned.with_orders(left=True))
    return replace(audit, causes=(*audit.causes, Cause(SOURCE, PIN, True, sites)))


def _against(condition: Condition, runs: Sequence[Finished]) -> Experiment[Repeats]:
    """Runs of ``condition``, each paired with one of ``runs``; a run that matches ends it."""
    pairs: list[Finished] = []
    for number in range(MOST):
        trial = Trial(condition, number)
        found = yield [trial]
        if not found[trial].outcome.completed:
            break
        pairs += [runs[number % len(runs)], found[trial]]
        if counted(pairs).agreed:
            break
    return counted(pairs)


def _shown(changed: Repeats, fresh: Repeats) -> bool:
    differing = fisher(changed.parted, changed.pairs, fresh.parted, fresh.pairs) < SIGNIFICANT
    return differing and not changed.problem and not fresh.parted


def _caused(audit: RunAudit, repeats: Repeats, sites: tuple, reason: str, advice: str) -> RunAudit:
    return replace(
        audit,
        reproducible=False,
        repeats=repeats,
        pinned=audit.repeats,
        causes=(Cause(SOURCE, PIN, True, sites),),
        reason=f"{PARTED}: {reason}",
        no_fix=advice,
    )


# What lay there before ----------------------------------------------------------------------------


def made_earlier(case: Case, runs: Sequence[Finished]) -> Experiment[tuple[str, ...]]:
    """Names of files in the user's folder that the program reads and would make itself, were they
    not there.

    Shown by a run without them, which makes them again. One that fails says nothing.
    """
    root, own = case.program.root, case.program.script
    untracked = _untracked(root)
    read = _read(root, runs[0])
    if untracked:
        read = tuple(name for name in read if any(_lies_in(name, other) for other in untracked))
    candidates = tuple(
        name for name in read or untracked if own is None or not own.is_relative_to(root / name)
    )
    if not candidates:
        return ()
    for names in [candidates, *([name] for name in candidates[:MOST_ALONE] if len(candidates) > 1)]:
        trial = Trial(case.loose.with_orders(without=tuple(names)), 0)
        done = (yield [trial])[trial]
        if done.outcome.completed:
            again = _made_again(names, written_by(done))
            if again:
                return again
    return ()


def without(case: Case, names: Sequence[str]) -> Case:
    """The case in a folder without these files."""
    return replace(case, loose=case.loose.with_orders(without=tuple(names)))


def differs(comparison: Comparison | None) -> bool:
    return isinstance(comparison, Divergence)


def _lies_in(name: str, other: str) -> bool:
    return name == other or name.startswith(other + "/")


def _made_again(names: Sequence[str], written: Sequence[str]) -> tuple[str, ...]:
    """Those of ``names`` that a run has written, or has written a file below."""
    places = {str(place) for name in written for place in (Path(name), *Path(name).parents)}
    return tuple(name for name in names if name in places)


def _read(root: Path, run: Finished) -> tuple[str, ...]:
    """Files below the folder that a run has read, Python's own left out; those that were made last
    come first, as a cache is younger than what it was made from. Files of one cache begin with one
    name.
    """
    names = run.trace.measures.files.read if run.trace is not None else ()
    paths: set[Path] = set()
    for name in names:
        paths.update(
            path.relative_to(root) for path in root.glob(f"{_plain(name)}*") if path.is_file()
        )
    kept = [path for path in paths if not _is_ignored(path)]
    return tuple(
        str(path)
        for path in sorted(kept, key=lambda path: (-(root / path).lstat().st_mtime_ns, path))
    )


def _is_ignored(path: Path) -> bool:
    return any(ignored(part) for part in path.parts)


def _plain(name: str) -> str:
    """A name as a pattern that stands for itself."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _untracked(root: Path) -> tuple[str, ...]:
    """What git does not track or ignores below the folder; nothing outside of a work tree."""
    try:
        listed = _git(root, "status", "--porcelain", "-z", "--ignored", "--", ".")
        prefix = _git(root, "rev-parse", "--show-prefix").strip()
    except (OSError, subprocess.SubprocessError):
        return ()
    names = [
        line[3:].removeprefix(prefix).rstrip("/")
        for line in listed.split("\0")
        if line[:2] in ("??", "!!")
    ]
    return tuple(
        name for name in names if name and not name.endswith(".py") and not _is_ignored(Path(name))
    )


def _git(root: Path, *arguments: str) -> str:
    """What git prints; it takes no lock, and so writes nothing."""
    ran = subprocess.run(
        ["git", "--no-optional-locks", "-C", str(root), *arguments],
        capture_output=True,
        timeout=30,
        check=True,
    )
    return os.fsdecode(ran.stdout)
