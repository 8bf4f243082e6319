"""Derives the verdict on one operation from its replays. Functions on values."""

import re
from dataclasses import dataclass, field, replace

from detaudit_probes.protocol import Raised

from detaudit.commands.ops import replays
from detaudit.commands.ops.findings import Operation
from detaudit.core.counting import excluded_rate
from detaudit.core.pinpoint import Replays
from detaudit.core.trace import Trace
from detaudit.core.verdict import BROKEN, ERROR, NEEDS_PIN, REPRODUCIBLE, SKIPPED, VARIES

#: TensorFlow's prefix of a message: the node that it created for the call.
_NODE = re.compile(r"\{\{function_node [^}]*\}\}\s*|\[Op:\w+\]\s*(name:)?\s*$")
DTYPES = ("float32", "float16", "bfloat16")


@dataclass(frozen=True)
class Observed:
    """The completed traces of each condition, by entry; ``failed`` says why a condition has none.
    ``unseeded`` are the traces in which the entry was called without a seed argument.
    """

    default: dict[str, list[Trace]]
    deterministic: dict[str, list[Trace]]
    one_thread: dict[str, list[Trace]]
    onednn_off: dict[str, list[Trace]]
    failed: dict[str, str]
    unseeded: dict[str, list[Trace]] = field(default_factory=dict)

    def dtypes(self, name: str) -> list[str]:
        """Return the dtypes in which the entry was tried, or a float if none was reached."""
        tried = {f"{name} {dtype}": dtype for dtype in DTYPES}
        known = [
            key.rpartition(" ")[2]
            for trace in self.default.get(name, [])
            for replayed in [trace.measures.operations]
            for key in [*replayed.executed, *replayed.raised]
            if key in tried
        ]
        return sorted(set(known), key=DTYPES.index) or [DTYPES[0]]


def judge(name: str, dtype: str, observed: Observed, further: Observed | None = None) -> Operation:
    """Return the finding on one entry in one dtype; ``further`` are the replays that confirm it."""
    key = f"{name} {dtype}"
    default, deterministic, one_thread, onednn_off = (
        kept.get(name, [])
        for kept in (
            observed.default,
            observed.deterministic,
            observed.one_thread,
            observed.onednn_off,
        )
    )
    everything = [*default, *deterministic, *one_thread, *onednn_off]
    executed = tuple(
        sorted(
            {
                operation
                for trace in default
                for operation in trace.measures.operations.executed.get(key, ())
            }
        )
    )
    counts = [replays.counted(traces, key) for traces in (default, deterministic, one_thread)]
    confirmed = replays.counted(further.default.get(name, []), key) if further else None
    # A missing kernel is not a refusal
    refused = None if _raised(default, key) else _raised(deterministic, key)
    blank = Operation(
        name,
        dtype,
        ERROR,
        "",
        *counts,
        confirmed=confirmed,
        executed=executed,
        refusal_message=""
        if refused is None
        else f"{refused.type}: {_NODE.sub('', refused.message)}",
        same_on_one_thread=_same(default, one_thread, key),
        same_without_onednn=_same(default, onednn_off, key),
        same_in_a_batch=replays.same_in_a_batch(default[0], key) if default else None,
        differing_operation=replays.differing_operation(
            [*default, *(further.default.get(name, []) if further else [])], key
        ),
        divergence=replays.divergence(default, key) or replays.divergence(deterministic, key),
    )
    verdict, reason = _verdict(
        blank,
        _raised(default, key),
        observed.failed.get(name),
        _one_input(everything, key),
        replays.counted(further.deterministic.get(name, []), key) if further else None,
    )
    return _with_unseeded(
        replace(blank, verdict=verdict, reason=reason),
        replays.by_process(observed.unseeded.get(name, []), key),
    )


def _with_unseeded(one: Operation, unseeded: Replays | None) -> Operation:
    """Judge the processes that called the entry without a seed argument. If replays with a seed
    match, these differ by the seed.
    """
    if unseeded is None or unseeded.replays < 2:
        return one
    one = replace(one, unseeded=unseeded)
    where = f"without a seed argument but with the global seeds set, {unseeded.replays} processes"
    if not unseeded.differing:
        return replace(one, reason=f"{one.reason}; {where} match")
    observed = f"{where} give {unseeded.distinct} distinct results"
    if one.verdict not in (REPRODUCIBLE, VARIES):
        return replace(one, reason=f"{one.reason}; {observed}")
    return replace(
        one,
        verdict=NEEDS_PIN,
        reason=f"{observed}: it needs a seed argument; with one, {one.reason}",
    )


def _verdict(
    one: Operation,
    raised: Raised | None,
    failed: str | None,
    same_inputs: bool,
    still: Replays | None,
) -> tuple[str, str]:
    if raised is not None:
        said = f"{raised.type}: {raised.message}"
        refused = (
            raised.refusal and one.default is None
        )  # an error after its replays is not its own
        return (SKIPPED, f"no kernel for {one.dtype} here: {said}") if refused else (ERROR, said)
    if failed is not None or one.default is None:
        return ERROR, failed or "it was not replayed"
    if not same_inputs:
        return ERROR, "its inputs differ between processes, so its results cannot be compared"
    if one.name not in one.executed:
        return ERROR, f"the call did not execute {one.name}"
    if one.deterministic is not None and one.deterministic.differing:
        described = f"{_describe(one.deterministic)} under op determinism"
        alone = one.one_thread is not None and not one.one_thread.differing
        if still is not None and still.differing:
            return (
                BROKEN,
                f"{described}, and again {_describe(still)}{'; with one thread they match' if alone else ''}",
            )
        return ERROR, f"{described}, but further replays match: not confirmed"
    if one.default.differing:
        return _judge_differing(one, one.default)
    changes = [
        what
        for what, matches in (
            ("the thread count", one.same_on_one_thread),
            ("oneDNN", one.same_without_onednn),
        )
        if matches is False
    ]
    if changes:
        return VARIES, f"replays match, but the bits change with {' and '.join(changes)}"
    rate = excluded_rate(one.default.replays // 2)
    return (
        REPRODUCIBLE,
        f"{one.default.replays} replays match (a rate above {rate:.0%} is excluded)",
    )


def _judge_differing(one: Operation, default: Replays) -> tuple[str, str]:
    if one.confirmed is None or not one.confirmed.differing:
        return ERROR, f"{_describe(default)}, but further replays match: not confirmed"
    working = [
        pin
        for pin, count in (("op determinism", one.deterministic), ("one thread", one.one_thread))
        if count is not None and not count.differing
    ]
    if working:
        return NEEDS_PIN, f"{_describe(default)}; pinned by {' and by '.join(working)}"
    if one.refusal_message:
        return (
            NEEDS_PIN,
            f"{_describe(default)}; no pin works: it refuses to run under op determinism",
        )
    return BROKEN, f"{_describe(default)}; no pin that was tried works"


def _describe(count: Replays) -> str:
    return f"{count.distinct} distinct results in {count.replays} replays"


def _raised(traces: list[Trace], key: str) -> Raised | None:
    raised = (trace.measures.operations.raised.get(key) for trace in traces)
    return next((one for one in raised if one is not None), None)


def _same(default: list[Trace], other: list[Trace], key: str) -> bool | None:
    """Whether two conditions, each with only one result, give the same bits."""
    pair = [set(replays.rows(traces, key)) for traces in (default, other)]
    return pair[0] == pair[1] if all(len(rows) == 1 for rows in pair) else None


def _one_input(traces: list[Trace], key: str) -> bool:
    """Whether every process got the same inputs, so that results are comparable."""
    return (
        len(
            {
                tuple(sorted(found.items()))
                for trace in traces
                if (found := replays.inputs(trace, key))
            }
        )
        <= 1
    )
