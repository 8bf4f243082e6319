"""Notes of a trial in separate files, beside the tables of its trace: the operations of a step."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

#: What is compared between replays of an operation: its name, and the fingerprints of its inputs
#: and outputs.
Marks = tuple[str, tuple[int, ...], tuple[int, ...]]


class Executed(NamedTuple):
    """One operation as it was executed; the fields are those of the guest's ``ops.event.Event``.

    ``inputs`` and ``outputs`` are 64-bit fingerprints, ``shapes`` and ``results`` describe them
    (``float32[2, 3]``), ``foreign`` are the places of inputs that no operation produced.
    """

    operation: str
    inputs: tuple[int, ...] = ()
    outputs: tuple[int, ...] = ()
    shapes: tuple[str, ...] = ()
    results: tuple[str, ...] = ()
    foreign: tuple[int, ...] = ()
    limits: tuple[tuple[int, int] | None, ...] = ()
    device: str = ""
    attributes: Mapping[str, Any] = MappingProxyType({})
    stage: str = ""
    layer: str = ""
    line: str = ""
    python: bool = False
    call: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Executed":
        """Create it from the guest's JSON, whose lists become tuples; unknown keys are ignored."""
        fields = _fields(document, cls)
        lists = ("inputs", "outputs", "shapes", "results", "foreign")
        limits = tuple(tuple(one) if one is not None else None for one in fields.get("limits", ()))
        call = tuple((name, value) for name, value in fields.get("call", ()))
        plain = {name: tuple(fields.get(name, ())) for name in lists}
        return cls(**{**fields, **plain, "limits": limits, "call": call})

    @property
    def marks(self) -> Marks:
        return self.operation, self.inputs, self.outputs


class StepReplays(NamedTuple):
    """The operations of a replayed step: those of the first replay, and the marks of every replay,
    including the first. Both are empty if no step was replayed.
    """

    events: tuple[Executed, ...] = ()
    marks: tuple[tuple[Marks, ...], ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "StepReplays":
        """Create it from the guest's JSON (``ops.step``)."""
        events = tuple(map(Executed.of, document["events"]))
        again = (
            tuple((name, tuple(inputs), tuple(outputs)) for name, inputs, outputs in replay)
            for replay in document["again"]
        )
        return cls(events, (tuple(event.marks for event in events), *again))


def _fields(document: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name in kind._fields}
