"""Nothing private passes from findings to a document, in whatever field it stands."""

import dataclasses
import math
import types
import typing
from importlib import import_module
from importlib.util import find_spec
from types import SimpleNamespace
from typing import Any, Union

import msgspec
import pytest
from detaudit.core.conclusion import Conclusion
from detaudit.core.trace import Trace
from detaudit.report.build import common
from detaudit.report.build.convert import Converter
from detaudit.report.privacy import Private
from detaudit.report.schema import v1
from detaudit_probes.declare import Pin, Source, Unpin

from tests.pure import schema

PRIVATE = Private(home="/home/ada", temporary="/var/tmp/ada", host="analytical-engine")
TEXT = "see /home/ada/x, /scratch/ada/y, /var/tmp/ada/z on analytical-engine.corp.example"
REDACTED = "see ~/x, /scratch/<user>/y, <tmp>/z on <host>"
PIN = Pin(TEXT, (TEXT,), lines={"*": (TEXT,)}, environment={"NAME": TEXT}, note=TEXT)
DECLARED = {TEXT: Source(TEXT, TEXT, TEXT, TEXT, Unpin(models=(TEXT,)), (PIN,), advice=TEXT)}


def findings_and_rules(document: type[v1.Document]) -> tuple[Any, Any, Any]:
    """What a command concludes from, and its own rules, where it has some."""
    name = str(document.__struct_config__.tag)
    conclude = import_module(f"detaudit.commands.{name}.conclusion").conclude
    builder = f"detaudit.report.build.{name}"
    rules = import_module(builder).RULES if find_spec(builder) else {}
    return document, typing.get_type_hints(conclude)["audit"], rules


COMMANDS = [findings_and_rules(document) for document in schema.DOCUMENTS]
#: So many fields of a document, and no fewer, have a string; 10 where the command is not here.
FEWEST_FIELDS = {v1.Report: 50, v1.RunReport: 60, v1.OpsReport: 25}
#: Fields whose words are always our own.
OURS = {"Tool.name", "Tool.version"}
CONCLUSION = Conclusion("ok", 0, TEXT)


def found(kind: Any) -> Any:
    """A finding of a type, with the text in every string and nothing left out."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if kind is Trace:
        return SimpleNamespace(
            steps=lambda: 1,
            observations=lambda: 1,
            digests={TEXT: TEXT},
            fingerprint=TEXT,
        )
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        values = {one.name: found(hints[one.name]) for one in dataclasses.fields(kind) if one.init}
        return kind(**values)
    if hasattr(kind, "_fields"):
        return kind(**{name: found(hint) for name, hint in typing.get_type_hints(kind).items()})
    if origin in (Union, types.UnionType):
        return found(next(one for one in arguments if one is not type(None)))
    if origin is tuple:
        return tuple(found(one) for one in arguments if one is not Ellipsis)
    if origin in (dict, typing.get_origin(typing.Mapping[str, str])):
        return {TEXT: found(arguments[1])}
    return {str: TEXT, Any: TEXT, bool: True, int: 1, float: 0.5, bytes: b""}[kind]


def texts(value: Any, name: str = "") -> list[tuple[str, str]]:
    """Return every free string of a document, with the part and the field that contain it."""
    if isinstance(value, v1.Part):
        known = schema.fields(type(value))
        part = "Document" if isinstance(value, v1.Document) else type(value).__name__
        return [
            one
            for field, kind in known.items()
            if typing.get_origin(schema.plain_type(kind)) is not typing.Literal
            for one in texts(getattr(value, field), f"{part}.{field}")
        ]
    if isinstance(value, dict):
        return [one for pair in value.items() for inner in pair for one in texts(inner, name)]
    if isinstance(value, (tuple, list)):
        return [one for inner in value for one in texts(inner, name)]
    return [(name, value)] if isinstance(value, str) else []


@pytest.mark.parametrize(("kind", "audit", "rules"), COMMANDS)
def test_no_string_of_a_finding_comes_out_as_it_was(kind, audit, rules):
    document = common.document(kind, found(audit), CONCLUSION, rules, DECLARED, PRIVATE)
    whole = "\n".join(schema.strings(msgspec.to_builtins(document)))
    for private in ("/ada", "analytical", "/var/tmp"):
        assert private not in whole, private


@pytest.mark.parametrize(("kind", "audit", "rules"), COMMANDS)
def test_every_string_of_a_document_was_tried(kind, audit, rules):
    """So the test above can fail: the text stood in every field that is not our own words."""
    document = common.document(kind, found(audit), CONCLUSION, rules, DECLARED, PRIVATE)
    unlike = {name for name, text in texts(document) if REDACTED not in text} - OURS
    if kind is v1.RunReport:  # a cause as a verdict, in our own words
        unlike -= {"Verdict.reason"}
    # The names of variables, and of the protocol's settings, in which no path can stand.
    names = {name for name in unlike if name.endswith((".environment", "Condition.options"))}
    assert unlike == names
    reached = {name for name, _ in texts(document)}
    assert len(reached) > FEWEST_FIELDS.get(kind, 10), len(reached)


@dataclasses.dataclass(frozen=True)
class Measured:
    name: str
    first: float
    second: float


class Holder(v1.Part):
    quantity: v1.Quantity | None
    variables: v1.Variables


def test_numbers_that_no_document_can_hold_leave_out_what_needs_them():
    converter = Converter(PRIVATE, {}, None)
    for value in (math.nan, math.inf, 1e301):
        made = SimpleNamespace(quantity=Measured("loss", value, 1.0), variables={})
        assert converter.part(Holder, made).quantity is None
    made = SimpleNamespace(quantity=Measured("loss", 0.5, 1.0), variables={"A": "b", "no name": ""})
    assert converter.part(Holder, made).quantity == v1.Quantity(name="loss", first=0.5, second=1.0)
    assert converter.part(Holder, made).variables == {"A": "b"}


def test_a_field_that_nothing_fills_is_an_error():
    with pytest.raises(AttributeError, match="second"):
        Converter(PRIVATE, {}, None).part(v1.Quantity, SimpleNamespace(name="loss", first=1.0))
