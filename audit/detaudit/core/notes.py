"""What a trial notes in files of its own, beside the tables of its trace: the lines that drew, the
operations of a step.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

#: What of an executed operation is compared between replays: its name, and the fingerprints of its
#: inputs and of its outputs.
Marks = tuple[str, tuple[int, ...], tuple[int, ...]]


class Draw(NamedTuple):
    """A line of the user's that drew from a generator, so many times; ``seeded`` of its draws came
    after the script's own seed.

    ``in_user_code``: it called the generator itself. ``stack`` are the frames between, outermost
    last, as ``file:line in function``.
    """

    file: str
    line: int
    function: str
    draws: int
    seeded: int
    in_user_code: bool
    stack: tuple[str, ...]


class Seeding(NamedTuple):
    """A line of the user's that set a seed with ``function``, after so many ``draws``; ``reaches``:
    it seeds the generator that was watched.
    """

    file: str
    line: int
    function: str
    reaches: bool
    draws: int


class Sites(NamedTuple):
    """Where a generator that a trial watched was drawn from, and where seeds were set."""

    draws: tuple[Draw, ...] = ()
    seeds: tuple[Seeding, ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Sites":
        """From what the guest has written (``hooks.start``)."""
        return cls(
            tuple(
                Draw(**{**_fields(site, Draw), "stack": tuple(site["stack"])})
                for site in document["sites"]
            ),
            tuple(Seeding(**_fields(site, Seeding)) for site in document["seeds"]),
        )


class Executed(NamedTuple):
    """One operation as it was executed; the fields are those of the guest's ``ops.event.Event``.

    ``inputs`` and ``outputs`` are 64-bit fingerprints, ``shapes`` and ``results`` what these are
    (``float32[2, 3]``), ``foreign`` the places of inputs that no operation made.
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
        """From what the guest has written, whose lists become tuples; further keys are left out."""
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
    """The operations of a step that was replayed: those of the first replay, and the marks of each
    replay, the first among them. Both are empty where none was replayed.
    """

    events: tuple[Executed, ...] = ()
    marks: tuple[tuple[Marks, ...], ...] = ()

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "StepReplays":
        """From what the guest has written (``ops.step``)."""
        events = tuple(map(Executed.of, document["events"]))
        again = (
            tuple((name, tuple(inputs), tuple(outputs)) for name, inputs, outputs in replay)
            for replay in document["again"]
        )
        return cls(events, (tuple(event.marks for event in events), *again))


def _fields(document: Mapping[str, Any], kind: Any) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name in kind._fields}
