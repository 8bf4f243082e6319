"""Varies the settings that another machine may have: does the result depend on them?"""

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace

from detaudit_probes.protocol import Settings

from detaudit.commands.run.case import Case
from detaudit.commands.run.findings import Varied
from detaudit.commands.run.repeat import MOST, Comparing, compare_runs, counted, repeated
from detaudit.core.condition import Condition, Trial
from detaudit.core.counting import matches_needed
from detaudit.core.divergence import Divergence, Incomparable, Match
from detaudit.core.experiment import Finished

AGAIN = 4  # further runs under a variation, after one of its runs differed
# Significance level: several variations are tried, and one is picked because it differed
LEVEL = 0.01


def _hash_seed(unpinned: Condition) -> Condition:
    return unpinned.with_environment({"PYTHONHASHSEED": "4321"})


def _busy(unpinned: Condition) -> Condition:
    return unpinned.with_settings(Settings(busy=True))


def _unpinning(source: str) -> Callable[[Condition], Condition]:
    def varied(unpinned: Condition) -> Condition:
        return Condition(**{**vars(unpinned), "unpinned": (*unpinned.unpinned, source)})

    return varied


def _pinned(pin: str) -> Callable[[Condition], Condition]:
    return lambda unpinned: Condition(**{**vars(unpinned), "pins": (*unpinned.pins, pin)})


#: (source, what is varied, the condition that varies it)
VARIATIONS: tuple[tuple[str, str, Callable[[Condition], Condition]], ...] = (
    ("hash-seed", "another hash seed", _hash_seed),
    ("directory-order", "directories listed in another order", _unpinning("directory-order")),
    ("intra-op-threads", "another thread count", _unpinning("intra-op-threads")),
    ("clock", "another clock and process id", _pinned("clock")),
    ("load", "every core busy", _busy),
    ("temporary-folder", "another temporary folder", _unpinning("temporary-folder")),
)


def vary(
    case: Case, runs: Sequence[Finished], comparing: Comparing = compare_runs
) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[tuple[Varied, ...], list[Finished]]]:
    """Run under each variation. Return the results, and all runs of the unchanged script: ``runs``,
    and perhaps more.

    ``runs`` are pairs that match. A variation whose run differs is tried again: the result is said
    to depend on it only if its runs differ from those of the unchanged script, and these match each
    other, often enough to exclude chance. It ends if runs of the unchanged script are found to
    differ.
    """
    trials = {source: Trial(change(case.unpinned), 1) for source, _, change in VARIATIONS}
    found = yield list(trials.values())
    done, results = list(runs), []
    for source, title, change in VARIATIONS:
        first = found[trials[source]]
        compared = comparing(runs[0], first)
        if isinstance(compared, Match):
            results.append(Varied(source, title, True, "the same bits"))
        elif isinstance(compared, Divergence) and first.outcome.completed:
            varied = Varied(source, title, False, "", compared)
            varied, done = yield from _repeated(
                case, done, varied, change(case.unpinned), comparing
            )
            results.append(varied)
            if counted(done, comparing).differing:
                break
        else:
            reason = compared.reason if isinstance(compared, Incomparable) else first.outcome.reason
            results.append(Varied(source, title, None, reason))
    return tuple(results), done


def _repeated(
    case: Case, runs: Sequence[Finished], varied: Varied, condition: Condition, comparing: Comparing
) -> Generator[Sequence[Trial], dict[Trial, Finished], tuple[Varied, list[Finished]]]:
    """Return ``varied`` if further runs under its ``condition`` differ too, else what they show;
    and the runs of the unchanged script.
    """
    trials = [Trial(condition, number) for number in range(2, 2 + AGAIN)]
    found = yield trials
    compared = [
        comparing(runs[0], found[trial]) for trial in trials if found[trial].outcome.completed
    ]
    differing = sum(isinstance(one, Divergence) for one in compared)
    needed = matches_needed(differing, len(compared), LEVEL)
    shown = needed is not None and needed <= MOST
    most = needed if needed is not None and shown else case.most
    extended = yield from repeated(case.unpinned, len(runs) // 2, comparing, most, runs)
    said = f"other bits in {differing + 1} of {len(compared) + 1} runs"
    if counted(extended, comparing).differing:
        return replace(varied, matches=None, reason="runs of the script as it is differ"), extended
    if shown:
        return replace(varied, reason=said), extended
    return replace(varied, matches=None, divergence=None, reason=f"unresolved: {said}"), extended
