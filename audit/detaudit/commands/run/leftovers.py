"""Files that an earlier run left in the folder: does a run that finds them train differently from
one that does not?

Every run of an audit starts with the original folder, so what a user's second run would read needs
its own experiment: a run in the sandbox that the first run left. Files that were in the folder
before the audit need another one: a run without the files that the program itself creates.
"""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from detaudit.commands.run import blame, starting_anew
from detaudit.commands.run.attribute import unresolved
from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import INPUT_CHANGED, RUNS_DIFFER, Cause, Repeats, RunAudit
from detaudit.commands.run.judging import compare_ends_on, compare_second
from detaudit.commands.run.repeat import compare_runs, counted
from detaudit.core.condition import Condition, Trial
from detaudit.core.counting import SIGNIFICANT, fisher
from detaudit.core.divergence import Comparison, Divergence, Incomparable
from detaudit.core.experiment import Experiment, Finished
from detaudit.core.trace import Trace
from detaudit.execution.program.sandboxed import files_of, written_by
from detaudit.execution.sandbox.copies import ignored

PIN = "fresh-folder"
MOST = 8  # runs that start with an earlier run's files, to distinguish the effect from chance
MOST_ALONE = 7  # folders and files that are removed one by one
MOST_NAMES = 1000  # names in a folder that is removed
LEAST = 2  # pairs of fresh runs that are compared with ``MOST`` runs that differ from them


def compare_again(case: Case, first: Finished) -> Experiment[Comparison]:
    """Run in the sandbox that ``first`` left, and compare with it."""
    trial = Trial(case.unpinned.with_orders(left=True), 0)
    found = yield [trial]
    if not found[
        trial
    ].outcome.completed:  # it may refuse to overwrite files: no different training
        return Incomparable(found[trial].outcome.reason)
    return _compare_results(first, found[trial])


def _compare_results(first: Finished, again: Finished) -> Comparison:
    """Compare with a run that starts with an earlier run's files. If that one neither trained nor
    fitted anything, because it loaded what the earlier one had saved, only what both end on is
    compared: their weights, and what they print and save.
    """
    compared = compare_runs(first, again)
    one, other = first.completed_trace, again.completed_trace
    if one is None or other is None or not isinstance(compared, Divergence):
        return compared
    compared = compare_second(one, other)
    if not isinstance(compared, Divergence):
        return compared
    only_loads = compared.kind == "missing" and not other.steps() and not _has_fits(other)
    return (compare_ends_on(one, other) or compared) if only_loads else compared


def _has_fits(trace: Trace) -> bool:
    return bool(trace.measures.learned) or any(table.kind == "fits" for table in trace.tables)


def explain(
    case: Case, audit: RunAudit, runs: Sequence[Finished], names: Sequence[str]
) -> Experiment[RunAudit]:
    """Fresh runs match, but a run that starts with the files ``names`` of the first run differs."""
    changed = case.unpinned.with_orders(left=True)
    again = yield from _again(changed, runs)
    repeats = counted(again, _compare_results)
    if not _shown(repeats, audit.repeats):
        return _unresolved(
            case, audit, repeats, "a run that starts with the files of an earlier run differs"
        )
    sites = yield from blame.openings(case, names, changed)
    pairs = max(audit.repeats.pairs, LEAST)
    audit = _caused(
        audit,
        repeats,
        sites,
        "a second run reads files that the first run left",
        _advice(names),
    )
    read = files_of(again[-1]).read
    # A checkpoint is read by the name that its files begin with
    left = [
        name for name in names if any(name == one or name.startswith(f"{one}.") for one in read)
    ]
    fix, by_hand = yield from starting_anew.find_fix(
        case, audit.causes[0], pairs, _compare_results, left, names
    )
    if fix is not None:
        return replace(audit, fix=fix, no_fix_reason="")
    return replace(audit, no_fix_reason=by_hand or audit.no_fix_reason)


def _advice(names: Sequence[str]) -> str:
    return (
        f"it writes {', '.join(names[:3])}: write to a new folder in every run, or delete the files of the "
        f"earlier run first"
    )


def _unresolved(case: Case, audit: RunAudit, repeats: Repeats, observed: str) -> RunAudit:
    return replace(
        audit,
        reproducible=False,
        repeats=repeats,
        reason=unresolved(
            case,
            f"{observed} in {repeats.differing} of {repeats.pairs} pairs, but runs in fresh folders match",
        ),
    )


def add_under_pins(case: Case, audit: RunAudit) -> Experiment[RunAudit]:
    """Fresh runs differ, and a run that starts with an earlier run's files differs too: does that
    still matter if the causes are pinned, also in that earlier run?
    """
    pinned = case.pinned([cause.pin for cause in audit.causes])
    trials = [Trial(pinned, number) for number in range(MOST)]
    found = yield trials
    fresh = [found[trial] for trial in trials]
    kept = Trial(pinned.with_orders(kept=True), 0)
    first = (yield [kept])[kept]
    if not first.outcome.completed:
        return audit
    again = yield from _again(pinned.with_orders(left=True), fresh)
    repeats = counted(again, _compare_results)
    if not _shown(repeats, counted(fresh)):
        return audit
    names = written_by(first) or case.changed()
    sites = yield from blame.openings(case, names, pinned.with_orders(left=True))
    return replace(audit, causes=(*audit.causes, Cause(INPUT_CHANGED, PIN, True, sites)))


def _again(condition: Condition, runs: Sequence[Finished]) -> Experiment[list[Finished]]:
    """Make runs of ``condition``, each paired with one of ``runs``, until one matches."""
    pairs: list[Finished] = []
    for number in range(MOST):
        trial = Trial(condition, number)
        found = yield [trial]
        if not found[trial].outcome.completed:
            break
        pairs += [runs[number % len(runs)], found[trial]]
        if counted(pairs, _compare_results).matching:
            break
    return pairs


def _shown(changed: Repeats, fresh: Repeats) -> bool:
    differing = fisher(changed.differing, changed.pairs, fresh.differing, fresh.pairs) < SIGNIFICANT
    return differing and not changed.problem and not fresh.differing


def _caused(audit: RunAudit, repeats: Repeats, sites: tuple, reason: str, advice: str) -> RunAudit:
    return replace(
        audit,
        reproducible=False,
        repeats=repeats,
        pinned=audit.repeats,
        causes=(Cause(INPUT_CHANGED, PIN, True, sites),),
        reason=f"{RUNS_DIFFER}: {reason}",
        no_fix_reason=advice,
    )


# Files from before the audit ----------------------------------------------------------------------


def made_earlier(case: Case, runs: Sequence[Finished]) -> Experiment[tuple[str, ...]]:
    """Return the names in the user's folder that the program reads, and would create itself if they
    were missing.

    This is shown by a run without them that creates them again. A run that fails shows nothing.
    """
    for names in _attempts(case, runs[0]):
        trial = Trial(without(case, names).unpinned, 0)
        done = (yield [trial])[trial]
        if done.outcome.completed:
            again = _made_again(names, written_by(done))
            if again:
                return again
    return ()


def _attempts(case: Case, run: Finished) -> list[tuple[str, ...]]:
    """Return the sets of names to remove: everything that the program may have created, then the
    part of it in each folder, and each name by itself.

    A file that the program cannot do without need not be in a cache's folder; and a cache may not
    work without one of its files. Outer folders come first, then the files that were created last.
    """
    root, own = case.program.root, case.program.script
    untracked = _untracked(root)
    read = _read(root, run)
    if untracked:
        read = tuple(name for name in read if _is_below(name, untracked))
    candidates = tuple(
        name for name in read or untracked if own is None or not own.is_relative_to(root / name)
    )
    folders = dict.fromkeys(str(place) for name in candidates for place in Path(name).parents)
    whole = [
        name
        for name in sorted(folders, key=lambda name: name.count(os.sep))
        if name != "." and _may_go(root / name) and (not untracked or _is_below(name, untracked))
    ]
    attempts = [candidates, *((name,) for name in [*whole, *candidates][:MOST_ALONE])]
    return [names for names in dict.fromkeys(attempts) if names]


def _may_go(folder: Path) -> bool:
    """Whether a folder contains no code, and so few names that removing it takes no time."""
    count = 0
    for _, folders, files in os.walk(folder):
        count += len(folders) + len(files)
        if count > MOST_NAMES or any(name.endswith((".py", ".ipynb")) for name in files):
            return False
    return True


def without(case: Case, names: Sequence[str]) -> Case:
    """Return the case in a folder without these files."""
    return replace(case, unpinned=case.unpinned.with_orders(without=tuple(names)))


def differs(comparison: Comparison | None) -> bool:
    return isinstance(comparison, Divergence)


def _is_below(name: str, others: Sequence[str]) -> bool:
    """Whether it is one of these names, or inside such a folder."""
    return any(name == other or name.startswith(other + "/") for other in others)


def _made_again(names: Sequence[str], written: Sequence[str]) -> tuple[str, ...]:
    """Return those of ``names`` that a run has written, or below which it has written a file."""
    places = {str(place) for name in written for place in (Path(name), *Path(name).parents)}
    return tuple(name for name in names if name in places)


def _read(root: Path, run: Finished) -> tuple[str, ...]:
    """Return the files below the folder that a run has read, without Python's own.

    The files that were created last come first, because a cache is younger than the files that it
    was made from. The files of one cache begin with one name.
    """
    names = files_of(run).read
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
    """Return a pattern that matches only this name."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _untracked(root: Path) -> tuple[str, ...]:
    """Return what git does not track or ignores below the folder; nothing outside of a work
    tree.
    """
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
    """Return git's output; it takes no lock, so it writes nothing."""
    ran = subprocess.run(
        ["git", "--no-optional-locks", "-C", str(root), *arguments],
        capture_output=True,
        timeout=30,
        check=True,
    )
    return os.fsdecode(ran.stdout)


# Files outside of the folder ----------------------------------------------------------------------


def found_outside(runs: Sequence[Finished]) -> tuple[str, ...]:
    """Return the paths outside of the folder that the first of these runs created and later ones
    read: no sandbox prevents that.
    """
    first, *later = [files_of(run) for run in runs]
    read = {path for files in later for path in files.found}
    return tuple(sorted(read.intersection(first.made)))


def may_be_fetched(run: Finished) -> bool:
    """Whether the files that this run created may come from another machine instead of its own
    computation.
    """
    return files_of(run).connected


def outside_note(paths: Sequence[str]) -> str:
    return (
        f"later runs read {', '.join(paths[:3])}, which the first run created outside the folder: delete it "
        f"between runs to see whether runs match without it"
    )
