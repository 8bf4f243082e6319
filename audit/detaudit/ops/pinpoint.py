"""From a replayed step to the operation at which it parts: what the processes that replayed it say, put together."""
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from detaudit_probes import protocol

from detaudit.pinpoint import Guilty, Pinpoint, Replays
from detaudit.runner import Finished

KERNEL, PYTHON = "kernel", "python"  # an operation of the framework; Python code between operations

Event = dict[str, Any]


def judged(done: Sequence[Finished]) -> Pinpoint | None:
    """What processes in which the step was replayed say. None where one of them says nothing."""
    notes = [one.trace.measures.get("pinpoint") for one in done if one.outcome.completed and one.trace is not None]
    if len(notes) < len(done) or not all(notes):
        return None
    first = notes[0]
    counts = {name: _sum([note.get(name) for note in notes]) for name in ("watched", "eager", "compiled")}
    blank = Pinpoint(kind=first["kind"], operations=first["operations"], **counts,
                     same_watched=_all(notes, "same_watched"), same_eager=_all(notes, "same_eager"))
    own = next((note["guilty"] for note in notes if note["guilty"]), None)
    if own is not None:
        count = Replays(own["replays"], own["distinct"])
        return replace(blank, born=PYTHON if own["python"] else KERNEL, guilty=Guilty.of(own, count),
                       stage=own["stage"], layer=own["layer"], line=own["line"])
    events = [_events(one) for one in done]
    for other in events[1:]:
        born, event = between(events[0], other)
        if event is not None:
            return replace(blank, born=born, guilty=Guilty.of(event, Replays(2, 2)), stage=event["stage"],
                           layer=event["layer"], line=event["line"])
    return blank


def between(left: Sequence[Event], right: Sequence[Event]) -> tuple[str, Event | None]:
    """The first operation at which two processes part, and how; nothing where they do not.

    ``state`` (equal inputs, other results), ``python`` (Python code gave it other inputs), ``input`` (what it was given
    differs already), ``other`` (from there on they execute other operations).
    """
    for one, other in zip(left, right, strict=False):
        if one["operation"] != other["operation"] or one["shapes"] != other["shapes"]:
            return "other", one
        differing = {place for place, (a, b) in enumerate(zip(one["inputs"], other["inputs"], strict=True)) if a != b}
        if differing:
            return PYTHON if differing <= set(one["foreign"]) else "input", one
        if one["outputs"] != other["outputs"]:
            return "state", one
    return "", None


def _events(one: Finished) -> list[Event]:
    assert one.trace is not None
    path = one.trace.folder / protocol.EVENTS_FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else []


def _sum(found: Sequence[dict | None]) -> Replays | None:
    """The replays of both processes; of the distinct results the most in one, for each began from its own state."""
    known = [one for one in found if one]
    return Replays(sum(one["replays"] for one in known), max(one["distinct"] for one in known)) if known else None


def _all(notes: Sequence[dict], name: str) -> bool | None:
    values = [note.get(name) for note in notes]
    return None if None in values else all(values)
