"""What another machine may have otherwise: does the result rest on it?"""
from collections.abc import Callable, Generator, Sequence

from detaudit.condition import Condition, Trial
from detaudit.diff import Agreement, Divergence
from detaudit.runner import Finished
from detaudit.script.findings import Varied
from detaudit.script.repeat import compare_runs


def _hash_seed(loose: Condition) -> Condition:
    return loose.with_environment({"PYTHONHASHSEED": "4321"})


def _busy(loose: Condition) -> Condition:
    return loose.with_options({"busy": True})


def _loosened(source: str) -> Callable[[Condition], Condition]:
    def varied(loose: Condition) -> Condition:
        return Condition(**{**vars(loose), "loose": (*loose.loose, source)})

    return varied


def _pinned(pin: str) -> Callable[[Condition], Condition]:
    return lambda loose: Condition(**{**vars(loose), "pins": (*loose.pins, pin)})


#: (source, what is varied, the condition that varies it)
VARIATIONS: tuple[tuple[str, str, Callable[[Condition], Condition]], ...] = (
    ("hash-seed", "another hash seed", _hash_seed),
    ("directory-order", "directories listed in another order", _loosened("directory-order")),
    ("intra-op-threads", "another thread count", _loosened("intra-op-threads")),
    ("clock", "another clock and process id", _pinned("clock")),
    ("load", "every core busy", _busy),
    ("temporary-folder", "another temporary folder", _loosened("temporary-folder")),
)


def vary(loose: Condition, reference: Finished) -> Generator[Sequence[Trial], dict[Trial, Finished],
                                                             tuple[Varied, ...]]:
    """One run under each variation, compared with a run as it is."""
    trials = {source: Trial(change(loose), 1) for source, _, change in VARIATIONS}
    found = yield list(trials.values())
    return tuple(_judged(source, title, reference, found[trials[source]]) for source, title, _ in VARIATIONS)


def _judged(source: str, title: str, reference: Finished, done: Finished) -> Varied:
    if not done.outcome.completed:
        return Varied(source, title, None, done.outcome.reason)
    compared = compare_runs(reference, done)
    if isinstance(compared, Agreement):
        return Varied(source, title, True, "the same bits")
    if isinstance(compared, Divergence):
        return Varied(source, title, False, "other bits", compared)
    return Varied(source, title, None, compared.reason)
