"""The experiment on operations: each is called repeatedly on the same inputs, under one condition
at a time.

The conditions: default settings with more threads than cores, which makes a race likely; op
determinism; one thread; no oneDNN. An operation whose replays differ is replayed again, in new
processes, before it is reported.
"""

from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

from detaudit_probes import protocol
from detaudit_probes.declare import Pin
from detaudit_probes.protocol import Settings

from detaudit.commands.ops.findings import Operation, Refusal
from detaudit.commands.ops.judge import DTYPES, Observed, judge
from detaudit.core.condition import Condition, Trial
from detaudit.core.experiment import Found
from detaudit.core.trace import Trace
from detaudit.core.verdict import BROKEN

TOGETHER = 8  # entries that one trial replays
REPEATS = 10  # calls of one entry in one trial
FURTHER = (2, 3)  # the draws of the confirming trials: two more processes
UNSEEDED = range(4)  # the draws of the trials without a seed argument: two pairs of processes
THREADS = 8
ALTERNATIONS = 3  # of the timed trials

Asked = Generator[Sequence[Trial], Found, tuple[Operation, ...]]


@dataclass(frozen=True)
class Conditions:
    """The same replays, with one thing changed at a time."""

    default: Condition
    deterministic: Condition
    one_thread: Condition
    onednn_off: Condition

    @classmethod
    def of(cls, base: Condition, known: Mapping[str, Pin]) -> "Conditions":
        """Return the condition: the base condition, with several threads instead of one."""
        unpinned = replace(base, model=protocol.OPERATIONS).without(["sparse-update"], known)
        unpinned = unpinned.with_orders(repeats=REPEATS)
        several = unpinned.with_settings(Settings(intra_op_threads=THREADS, inter_op_threads=1))
        return cls(
            several,
            several.with_pin(known["op-determinism"]),
            unpinned.with_pin(known["one-thread"]),
            several.with_pin(known["onednn-off"]),
        )

    def all(self) -> tuple[Condition, ...]:
        return self.default, self.deterministic, self.one_thread, self.onednn_off


def of(condition: Condition, names: Sequence[str], **orders: object) -> Condition:
    return condition.with_orders(operations=",".join(names), **orders)


def chunks(names: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(names[start : start + TOGETHER]) for start in range(0, len(names), TOGETHER)]


def replays(names: Sequence[str], random: Collection[str]) -> int:
    """Return how many trials :func:`sweep` requests first: a pair with default settings, one under
    each other condition, and those without a seed.
    """
    unseeded = chunks([name for name in names if name in random])
    return 5 * len(chunks(names)) + len(UNSEEDED) * len(unseeded)


def timings(names: Collection[str]) -> int:
    """Return how many trials :func:`costs` requests."""
    return 2 * ALTERNATIONS * len(chunks(list(names)))


def refusals(conditions: Conditions) -> Generator[Sequence[Trial], Found, tuple[Refusal, ...]]:
    """Return the installed library's messages about operations that refuse to run under op
    determinism.
    """
    trial = Trial(of(conditions.default, (), refusals=True), 0)
    done = (yield [trial])[trial]
    trace = done.completed_trace
    listed = trace.measures.refusals if trace is not None else ()
    return tuple(Refusal(one.message, one.operations) for one in listed)


def sweep(conditions: Conditions, names: Sequence[str], random: Collection[str] = ()) -> Asked:
    """Replay and judge every entry of ``names`` in every dtype; call those that are ``random``
    without a seed argument too.
    """
    observed = yield from _replayed(conditions, names)
    unseeded = yield from _unseeded(conditions, [name for name in names if name in random])
    observed = replace(observed, unseeded=unseeded)
    found = [judge(name, dtype, observed) for name in names for dtype in observed.dtypes(name)]
    accused = [
        one
        for one in found
        if (one.default and one.default.differing)
        or (one.deterministic and one.deterministic.differing)
    ]
    if accused:
        further = yield from _confirmed(
            conditions, list(dict.fromkeys(one.name for one in accused))
        )
        found = [
            judge(one.name, one.dtype, observed, further) if one in accused else one
            for one in found
        ]
    return tuple(found)


def _replayed(
    conditions: Conditions, names: Sequence[str]
) -> Generator[Sequence[Trial], Found, Observed]:
    """Run all conditions. A trial that did not complete is split into its entries, to find the one
    that ended it.
    """
    wanted = {}
    for chunk in chunks(names):
        for place, condition in enumerate(conditions.all()):
            for draw in range(2 if place == 0 else 1):
                wanted[Trial(of(condition, chunk), draw)] = (place, chunk)
    found = yield list(wanted)
    kept: list[dict[str, list[Trace]]] = [{}, {}, {}, {}]
    alone = {}
    for trial, (place, chunk) in wanted.items():
        trace = found[trial].completed_trace
        if trace is not None:
            for name in chunk:
                kept[place].setdefault(name, []).append(trace)
        else:
            alone.update(
                {
                    Trial(of(conditions.all()[place], (name,)), trial.draw): (place, name)
                    for name in chunk
                }
            )
    failed = {}
    if alone:
        found = yield list(alone)
        for trial, (place, name) in alone.items():
            trace = found[trial].completed_trace
            if trace is not None:
                kept[place].setdefault(name, []).append(trace)
            else:
                outcome = found[trial].outcome
                failed[name] = f"{outcome.kind}: {outcome.reason}"
    return Observed(*kept, failed=failed)


def _unseeded(
    conditions: Conditions, names: Sequence[str]
) -> Generator[Sequence[Trial], Found, dict[str, list[Trace]]]:
    """Call random operations with their defaults, as a user does; return the completed trials by
    entry.
    """
    asked = {
        Trial(of(conditions.default, chunk, unseeded=True), draw): chunk
        for chunk in chunks(names)
        for draw in UNSEEDED
    }
    kept: dict[str, list[Trace]] = {}
    if asked:
        found = yield list(asked)
        for trial, chunk in asked.items():
            trace = found[trial].completed_trace
            for name in chunk if trace is not None else ():
                kept.setdefault(name, []).append(trace)
    return kept


def _confirmed(
    conditions: Conditions, names: Sequence[str]
) -> Generator[Sequence[Trial], Found, Observed]:
    """Replay entries whose results differed again, in other processes, with default settings and
    under op determinism.
    """
    asked = {
        Trial(of(condition, (name,)), draw): (place, name)
        for name in names
        for draw in FURTHER
        for place, condition in enumerate((conditions.default, conditions.deterministic))
    }
    found = yield list(asked)
    kept: list[dict[str, list[Trace]]] = [{}, {}]
    for trial, (place, name) in asked.items():
        trace = found[trial].completed_trace
        if trace is not None:
            kept[place].setdefault(name, []).append(trace)
    return Observed(kept[0], kept[1], {}, {}, {})


def costs(conditions: Conditions, found: Sequence[Operation]) -> Asked:
    """Measure the cost of op determinism: medians of the calls' times, in alternation, with nothing
    running beside them.
    """
    ratios: dict[str, list[float]] = {}
    names = list(
        dict.fromkeys(one.name for one in found if one.dtype == DTYPES[0] and one.deterministic)
    )
    for chunk in chunks(names):
        for number in range(ALTERNATIONS):
            pair = []
            for condition in (conditions.default, conditions.deterministic):
                trial = Trial(of(condition, chunk, dtypes=DTYPES[0]), 10 + 2 * number)
                trace = (yield [trial])[trial].completed_trace
                pair.append(trace.measures.operations.seconds if trace is not None else {})
            for key in pair[0].keys() & pair[1].keys():
                ratios.setdefault(key, []).append(median(pair[1][key]) / median(pair[0][key]))
    return tuple(_with_cost(one, ratios.get(f"{one.name} {one.dtype}", [])) for one in found)


def _with_cost(one: Operation, ratios: Sequence[float]) -> Operation:
    if not ratios:
        return one
    return replace(
        one,
        cost=round(median(ratios), 3),
        cost_range=(round(min(ratios), 3), round(max(ratios), 3)),
    )


def matched(found: Sequence[Refusal], operations: Sequence[Operation]) -> tuple[Refusal, ...]:
    """Return the library's messages with the results here of the operations that they name."""
    refused = {name for one in operations if one.refusal_message for name in _named(one)}
    ran = {name for one in operations if one.deterministic for name in one.executed}
    return tuple(
        replace(
            one,
            refused_here=tuple(name for name in one.operations if name in refused),
            ran_here=tuple(name for name in one.operations if name in ran - refused),
        )
        for one in found
    )


def _named(one: Operation) -> tuple[str, ...]:
    return (one.name, *one.executed)


#: Words of a message that is valid only under certain circumstances; elsewhere no observation
#: contradicts it.
_CONDITIONAL = (" when ", " with ", "XLA")


def documented(one: Operation, found: Sequence[Refusal], on_gpu: bool) -> Operation:
    """Return the finding with the installed library's message, and with the observation that
    contradicts it.
    """
    messages = [refusal.message for refusal in found if set(refusal.operations) & set(_named(one))]
    here = [text for text in messages if on_gpu or "GPU" not in text]
    contradiction = ""
    if one.deterministic is not None and any(
        not any(word in text for word in _CONDITIONAL) for text in here
    ):
        contradiction = "it ran under op determinism, although the library says that it refuses, whatever the device"
    elif one.refusal_message and one.default is not None and not messages:
        contradiction = (
            "it refuses to run under op determinism, but no such message was found in the library"
        )
    elif one.verdict == BROKEN and one.deterministic is not None and one.deterministic.differing:
        contradiction = "this contradicts the documentation of op determinism"
    return replace(one, library_message=" ".join(messages), contradicts_documentation=contradiction)
