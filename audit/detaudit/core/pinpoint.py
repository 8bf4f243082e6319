"""Finds the operation at which runs differ, from several processes that replayed a step."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from detaudit_probes import protocol
from detaudit_probes.protocol import Ends, StepReplayed

from detaudit.core.experiment import Finished
from detaudit.core.notes import Executed, Marks

KERNEL, PYTHON = "kernel", "python"  # an operation of the framework; Python code between operations

MOST = 500  # passages that are kept, before and after the first that differs


@dataclass(frozen=True)
class Replays:
    """How often a call was replayed on the same inputs under one condition, and how many distinct
    results it gave.
    """

    replays: int
    distinct: int

    @property
    def differing(self) -> bool:
        return self.distinct > 1


@dataclass(frozen=True)
class LocatedOperation:
    """The operation at which replays differed, with every operation of the call recorded.

    ``limits`` are the smallest and the largest elements of integer inputs. ``call`` is how
    ``tf.raw_ops`` takes it: (argument, places of its inputs), then (``attribute`` NAME, value).
    """

    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    device: str
    attributes: dict[str, Any]
    replays: Replays
    limits: tuple[tuple[int, int] | None, ...] = ()
    call: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, event: Executed, count: Replays) -> "LocatedOperation":
        return cls(
            event.operation,
            event.shapes,
            event.results,
            event.device,
            dict(event.attributes),
            count,
            event.limits,
            event.call,
        )


@dataclass(frozen=True)
class LayerReplay:
    """Consecutive operations of one stage that belong to one layer or variable, for example one
    call of a layer.

    The distinct inputs and outputs are counted over all replays: one if replays match.
    """

    stage: str
    name: str
    operations: int
    distinct_inputs: int
    distinct_outputs: int


@dataclass(frozen=True)
class Pinpoint:
    """The operation at which replays of a step differ; ``operation`` is None if only the layer was
    requested.

    ``kind`` is what was replayed: ``fit``, ``train_on_batch``, ``tf.function``, ``jax.jit``; an
    ``eager loop`` was recorded once in each process. ``origin`` is one of: ``kernel`` (different
    results from equal state in one process), ``state`` (different results from equal inputs in
    another process), ``python`` (Python code, not an operation, passed different inputs), ``input``
    (the inputs already differed between the processes), ``other`` (from here on, different
    operations are executed), or empty. ``recorded``, ``eager`` and ``compiled`` are the replays of
    the whole step: with every operation recorded, without recording, and as compiled.
    ``recorded_matches_eager`` and ``eager_matches_compiled``: do recording, and eager execution,
    leave the bits of the step unchanged? None if that was not tried. ``layers`` is the recorded
    step, layer by layer, in order. ``failed`` says why the step could not be replayed.
    ``replay_matches_step``: if replays match each other, do they also match the original step? None
    if replays differ.
    """

    kind: str
    operations: int
    origin: str = ""
    operation: LocatedOperation | None = None
    stage: str = ""
    layer: str = ""
    line: str = ""
    recorded: Replays | None = None
    eager: Replays | None = None
    compiled: Replays | None = None
    recorded_matches_eager: bool | None = None
    eager_matches_compiled: bool | None = None
    layers: tuple[LayerReplay, ...] = ()
    failed: str = ""
    replay_matches_step: bool | None = None


def judged(done: Sequence[Finished]) -> Pinpoint | None:
    """Combine the notes of processes in which the step was replayed. None if one of them has
    none.
    """
    traces = [trace for trial in done if (trace := trial.completed_trace) is not None]
    notes = [note for trace in traces if (note := trace.measures.pinpoint) is not None]
    if not notes or len(notes) < len(done):
        return None
    first = notes[0]
    failed = next((note.failed for note in notes if note.failed), "")
    if failed:
        return Pinpoint(kind=first.kind, operations=0, failed=failed)
    replays = [trace.step_replays() for trace in traces]
    together = [marks for replayed in replays for marks in replayed.marks]
    blank = Pinpoint(
        kind=first.kind,
        operations=first.operations,
        recorded=_sum([note.recorded for note in notes]),
        eager=_sum([note.eager for note in notes]),
        compiled=_sum([note.compiled for note in notes]),
        recorded_matches_eager=_all([note.recorded_matches_eager for note in notes]),
        eager_matches_compiled=_all([note.eager_matches_compiled for note in notes]),
        layers=layers(replays[0].events, together),
        replay_matches_step=_faithful(notes),
    )
    own = next((note.operation for note in notes if note.operation), None)
    if own is not None and not _kept(notes):
        count = Replays(own["replays"], own["distinct"])
        return replace(
            blank,
            origin=PYTHON if own["python"] else KERNEL,
            operation=LocatedOperation.of(Executed.of(own), count),
            stage=own["stage"],
            layer=own["layer"],
            line=own["line"],
        )
    for other in replays[1:]:
        origin, event = between(replays[0].events, other.events)
        if event is not None:
            return replace(
                blank,
                origin=origin,
                operation=LocatedOperation.of(event, Replays(2, 2)),
                stage=event.stage,
                layer=event.layer,
                line=event.line,
            )
    return blank


def between(left: Sequence[Executed], right: Sequence[Executed]) -> tuple[str, Executed | None]:
    """Return the first operation at which two processes differ, and how; no operation if they
    match.

    ``state`` (equal inputs, different results), ``python`` (Python code passed different inputs),
    ``input`` (its inputs already differ), ``other`` (from here on they execute different
    operations).
    """
    for event, other in zip(left, right, strict=False):
        if event.operation != other.operation or event.shapes != other.shapes:
            return "other", event
        differing = {
            place
            for place, (a, b) in enumerate(zip(event.inputs, other.inputs, strict=True))
            if a != b
        }
        if differing:
            return PYTHON if differing <= set(event.foreign) else "input", event
        if event.outputs != other.outputs:
            if protocol.NOT_KNOWN in event.inputs:
                return "", None
            return PYTHON if event.python else "state", event
    return "", None


def _kept(notes: Sequence[StepReplayed]) -> bool:
    """Whether replays differed at the same place in the same way in all processes, replay by
    replay: then the processes match.

    State that a replay does not restore, such as a counter in Python code or an iterator, looks as
    if the step differed. One process may have had time for more replays than another.
    """
    operations = [note.operation for note in notes if note.operation]
    if len(notes) < 2 or len(operations) < len(notes):
        return False
    shared = min(len(each["by_replay"]) for each in operations)
    return all(
        each["operation"] == operations[0]["operation"]
        and each["by_replay"][:shared] == operations[0]["by_replay"][:shared]
        for each in operations
    )


def layers(
    events: Sequence[Executed], replays: Sequence[Sequence[Marks]]
) -> tuple[LayerReplay, ...]:
    """Return the step layer by layer, in the order of execution: ``events`` names the layers,
    ``replays`` are the observations.

    The inputs of a passage are the results of earlier operations. Values computed by Python code in
    a layer originate in that layer. The list ends where replays execute different operations.
    """
    names = [{one[0] for one in marks} for marks in zip(*replays, strict=False)]
    alike = next((place for place, called in enumerate(names) if len(called) > 1), len(names))
    kept, place = [], 0
    for (stage, layer), group in groupby(events[:alike], lambda one: (one.stage, one.layer)):
        end = place + len(foreign := [set(one.foreign) for one in group])
        observed = [_through(replay[place:end], foreign) for replay in replays]
        kept.append(
            LayerReplay(
                stage, layer, end - place, *(len(set(one)) for one in zip(*observed, strict=True))
            )
        )
        place = end
    differing = next((number for number, layer in enumerate(kept) if layer.distinct_outputs > 1), 0)
    return tuple(kept[max(0, differing - MOST) : differing + MOST])


def _through(
    marks: Sequence[Marks], foreign: Sequence[Set[int]]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return what goes into consecutive operations from others, and what comes out of each of
    them.
    """
    into: list[int] = []
    made: list[int] = []
    for (_, inputs, outputs), mine in zip(marks, foreign, strict=True):
        into += [
            mark for place, mark in enumerate(inputs) if place not in mine and mark not in made
        ]
        made += outputs
    return tuple(into), tuple(made)


def _faithful(notes: Sequence[StepReplayed]) -> bool | None:
    """Whether replays that match each other also match the step itself. If replays differ, this
    would be chance.
    """
    answers = [
        note.replay_matches_step
        for note in notes
        for ends in [note.compiled or note.eager]
        if ends and ends.distinct == 1 and note.replay_matches_step is not None
    ]
    return all(answers) if answers else None


def _sum(ends: Sequence[Ends | None]) -> Replays | None:
    """Add up the replays of both processes; of the distinct results take the larger number, because
    each process started from its own state.
    """
    known = [each for each in ends if each]
    if not known:
        return None
    return Replays(sum(each.replays for each in known), max(each.distinct for each in known))


def _all(values: Sequence[bool | None]) -> bool | None:
    return None if None in values else all(values)
