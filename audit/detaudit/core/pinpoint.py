"""The operation at which runs part: what processes that replayed a step showed, put together."""

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from detaudit_probes import protocol
from detaudit_probes.protocol import Ends, StepReplayed

from detaudit.core.experiment import Finished
from detaudit.core.notes import Executed, Marks

KERNEL, PYTHON = "kernel", "python"  # an operation of the framework; Python code between operations

MOST = 500  # passages that are kept, before the first that parts and after it


@dataclass(frozen=True)
class Replays:
    """So many calls on the same inputs under one condition, and how many distinct results they
    gave.
    """

    replays: int
    distinct: int

    @property
    def differing(self) -> bool:
        return self.distinct > 1


@dataclass(frozen=True)
class LocatedOperation:
    """The operation at which replays parted, seen with every operation of the call watched.

    ``limits`` are the least and greatest elements of inputs that are integers. ``call`` is how
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
    """Consecutive operations of one stage that work for one layer or variable, one call of a layer
    for instance.

    The distinct inputs and outputs are counted over all replays: one, where they repeat.
    """

    stage: str
    name: str
    operations: int
    distinct_inputs: int
    distinct_outputs: int


@dataclass(frozen=True)
class Pinpoint:
    """The operation at which a replayed step parts; ``operation`` is None where only the layer was
    asked for.

    ``kind`` says what was replayed: ``fit``, ``train_on_batch``, ``tf.function``, ``jax.jit``; an
    ``eager loop`` was watched once in each process.

    ``origin``: ``kernel`` (equal state, other results in one process), ``state`` (equal inputs,
    other results in another process), ``python`` (Python code, no operation, gave it other inputs),
    ``input`` (what the operation was given differed between the processes already), ``other`` (they
    execute other operations from there on), or nothing. ``recorded``, ``eager`` and ``compiled``
    are the replays of the step as a whole: with every operation watched, without, and as it was
    compiled. ``recorded_matches_eager``, ``eager_matches_compiled``: do watching, and eager
    execution, give bits that the step has without? None where that was not seen. ``layers`` is
    the watched step, layer by layer, in order. ``failed`` says why the step could not be replayed.
    ``replay_matches_step``: does a replay that repeats itself end on the bits on which the step
    itself ended? Null where replays part.
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
    """What processes in which the step was replayed say. None where one of them says nothing."""
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
    """The first operation at which two processes part, and how; nothing where they do not.

    ``state`` (equal inputs, other results), ``python`` (Python code gave it other inputs),
    ``input`` (what it was given differs already), ``other`` (from there on they execute other
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
    """Did all processes part at the same place in the same way, replay by replay? Then they did not
    part.

    What a replay does not set back, such as a counter in Python code or an iterator, looks as if
    the step parted. One process may have had the time for more replays than another.
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
    """The step, layer by layer, in the order of execution: ``events`` tells the layers, ``replays``
    what was seen.

    The inputs of a passage are what operations before it made. What Python code in a layer computed
    is born there. The list ends where replays execute other operations.
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
    """What goes into consecutive operations from others, and what comes out of each of them."""
    into: list[int] = []
    made: list[int] = []
    for (_, inputs, outputs), mine in zip(marks, foreign, strict=True):
        into += [
            mark for place, mark in enumerate(inputs) if place not in mine and mark not in made
        ]
        made += outputs
    return tuple(into), tuple(made)


def _faithful(notes: Sequence[StepReplayed]) -> bool | None:
    """Do replays that repeat themselves end on the bits of the step itself? Where they part, luck
    decides.
    """
    answers = [
        note.replay_matches_step
        for note in notes
        for ends in [note.compiled or note.eager]
        if ends and ends.distinct == 1 and note.replay_matches_step is not None
    ]
    return all(answers) if answers else None


def _sum(ends: Sequence[Ends | None]) -> Replays | None:
    """The replays of both processes; of the distinct results the most in one, for each began from
    its own state.
    """
    known = [each for each in ends if each]
    if not known:
        return None
    return Replays(sum(each.replays for each in known), max(each.distinct for each in known))


def _all(values: Sequence[bool | None]) -> bool | None:
    return None if None in values else all(values)
