"""From a replayed step to the operation at which it parts: what the processes that replayed it say,
put together.
"""

import json
from collections.abc import Sequence, Set
from dataclasses import replace
from itertools import groupby
from typing import Any

from detaudit_probes import protocol
from detaudit_probes.protocol import Ends, StepReplayed

from detaudit.pinpoint import Guilty, Passage, Pinpoint, Replays
from detaudit.runner import Finished

KERNEL, PYTHON = "kernel", "python"  # an operation of the framework; Python code between operations

MOST = 500  # passages that are kept, before the first that parts and after it

Event = dict[str, Any]
Marks = tuple[str, Sequence[int], Sequence[int]]  # of one operation: its name, inputs, outputs


def judged(done: Sequence[Finished]) -> Pinpoint | None:
    """What processes in which the step was replayed say. None where one of them says nothing."""
    notes = [
        one.trace.measures.pinpoint
        for one in done
        if one.outcome.completed and one.trace is not None and one.trace.measures.pinpoint
    ]
    if not notes or len(notes) < len(done):
        return None
    first = notes[0]
    failed = next((note.failed for note in notes if note.failed), "")
    if failed:
        return Pinpoint(kind=first.kind, operations=0, failed=failed)
    replays = [_replays(one) for one in done]
    together = [replay for _, found in replays for replay in found]
    blank = Pinpoint(
        kind=first.kind,
        operations=first.operations,
        watched=_sum([note.watched for note in notes]),
        eager=_sum([note.eager for note in notes]),
        compiled=_sum([note.compiled for note in notes]),
        same_watched=_all([note.same_watched for note in notes]),
        same_eager=_all([note.same_eager for note in notes]),
        passages=passages(replays[0][0], together),
        same_step=_faithful(notes),
    )
    own = next((note.guilty for note in notes if note.guilty), None)
    if own is not None and not _kept(notes):
        count = Replays(own["replays"], own["distinct"])
        return replace(
            blank,
            born=PYTHON if own["python"] else KERNEL,
            guilty=Guilty.of(own, count),
            stage=own["stage"],
            layer=own["layer"],
            line=own["line"],
        )
    for other, _ in replays[1:]:
        born, event = between(replays[0][0], other)
        if event is not None:
            return replace(
                blank,
                born=born,
                guilty=Guilty.of(event, Replays(2, 2)),
                stage=event["stage"],
                layer=event["layer"],
                line=event["line"],
            )
    return blank


def between(left: Sequence[Event], right: Sequence[Event]) -> tuple[str, Event | None]:
    """The first operation at which two processes part, and how; nothing where they do not.

    ``state`` (equal inputs, other results), ``python`` (Python code gave it other inputs),
    ``input`` (what it was given differs already), ``other`` (from there on they execute other
    operations).
    """
    for one, other in zip(left, right, strict=False):
        if one["operation"] != other["operation"] or one["shapes"] != other["shapes"]:
            return "other", one
        differing = {
            place
            for place, (a, b) in enumerate(zip(one["inputs"], other["inputs"], strict=True))
            if a != b
        }
        if differing:
            return PYTHON if differing <= set(one["foreign"]) else "input", one
        if one["outputs"] != other["outputs"]:
            if protocol.NOT_KNOWN in one["inputs"]:
                return "", None
            return PYTHON if one["python"] else "state", one
    return "", None


def _kept(notes: Sequence[StepReplayed]) -> bool:
    """Did all processes part at the same place in the same way, replay by replay? Then they did not
    part.

    What a replay does not set back, such as a counter in Python code or an iterator, looks as if
    the step parted. One process may have had the time for more replays than another.
    """
    guilty = [note.guilty for note in notes if note.guilty]
    if len(notes) < 2 or len(guilty) < len(notes):
        return False
    shared = min(len(one["seen"]) for one in guilty)
    return all(
        one["operation"] == guilty[0]["operation"]
        and one["seen"][:shared] == guilty[0]["seen"][:shared]
        for one in guilty
    )


def passages(events: Sequence[Event], replays: Sequence[Sequence[Marks]]) -> tuple[Passage, ...]:
    """The step, layer by layer, in the order of execution: ``events`` tells the layers, ``replays``
    what was seen.

    The inputs of a passage are what operations before it made. What Python code in a layer computed
    is born there. The list ends where replays execute other operations.
    """
    names = [{one[0] for one in marks} for marks in zip(*replays, strict=False)]
    alike = next((place for place, called in enumerate(names) if len(called) > 1), len(names))
    found, place = [], 0
    for (stage, layer), group in groupby(events[:alike], lambda one: (one["stage"], one["layer"])):
        end = place + len(foreign := [set(one["foreign"]) for one in group])
        seen = [_through(replay[place:end], foreign) for replay in replays]
        found.append(
            Passage(stage, layer, end - place, *(len(set(one)) for one in zip(*seen, strict=True)))
        )
        place = end
    parted = next((number for number, one in enumerate(found) if one.outputs > 1), 0)
    return tuple(found[max(0, parted - MOST) : parted + MOST])


def _through(
    marks: Sequence[Marks], foreign: Sequence[Set[int]]
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """What goes into consecutive operations from others, and what comes out of each of them."""
    into: list[int] = []
    made: list[int] = []
    for (_, inputs, outputs), mine in zip(marks, foreign, strict=True):
        into += [one for place, one in enumerate(inputs) if place not in mine and one not in made]
        made += outputs
    return tuple(into), tuple(made)


def _replays(one: Finished) -> tuple[list[Event], list[list[Marks]]]:
    """The events of the first watched run of the step, and what was seen in each."""
    assert one.trace is not None
    path = one.trace.folder / protocol.EVENTS_FILE
    if not path.exists():
        return [], []
    found = json.loads(path.read_text(encoding="utf-8"))
    first = [(event["operation"], event["inputs"], event["outputs"]) for event in found["events"]]
    return found["events"], [
        first,
        *([tuple(marks) for marks in replay] for replay in found["again"]),
    ]


def _faithful(notes: Sequence[StepReplayed]) -> bool | None:
    """Do replays that repeat themselves end on the bits of the step itself? Where they part, luck
    decides.
    """
    seen = [
        note.same_step
        for note in notes
        for ends in [note.compiled or note.eager]
        if ends and ends.distinct == 1 and note.same_step is not None
    ]
    return all(seen) if seen else None


def _sum(found: Sequence[Ends | None]) -> Replays | None:
    """The replays of both processes; of the distinct results the most in one, for each began from
    its own state.
    """
    known = [one for one in found if one]
    return (
        Replays(sum(one.replays for one in known), max(one.distinct for one in known))
        if known
        else None
    )


def _all(values: Sequence[bool | None]) -> bool | None:
    return None if None in values else all(values)
