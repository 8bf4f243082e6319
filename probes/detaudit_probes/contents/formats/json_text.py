"""JSON, and JSON lines: every value, with the keys and places that lead to it."""

import json
from typing import Any, BinaryIO, Iterator

from detaudit_probes.contents.leaves import number, text
from detaudit_probes.protocol import Leaf


class Number(str):
    """A number as it is written."""


def recognises(name: str, start: bytes) -> bool:
    return start.lstrip()[:1] in (b"{", b"[") and not start.lstrip().startswith(b"{\\rtf")


def leaves(file: BinaryIO, name: str) -> Iterator[Leaf]:
    whole = file.read().decode("utf-8")
    try:
        found = list(_leaves("", _parsed(whole)))
    except ValueError:
        lines = [line for line in whole.splitlines() if line.strip()]
        found = [
            leaf
            for row, line in enumerate(lines, 1)
            for leaf in _leaves("line %d" % row, _parsed(line))
        ]
    return iter(found)


def _parsed(content: str) -> Any:
    return json.loads(content, parse_float=Number, parse_int=Number, parse_constant=Number)


def _leaves(place: str, value: Any) -> Iterator[Leaf]:
    if value in ({}, []):
        yield text(place, json.dumps(value))
        return
    if isinstance(value, dict):
        parts = [("%s.%s" % (place, key) if place else key, one) for key, one in value.items()]
    elif isinstance(value, list):
        parts = [("%s[%d]" % (place, row), one) for row, one in enumerate(value)]
    else:
        yield number(place, value) if isinstance(value, Number) else text(place, json.dumps(value))
        return
    for key, one in parts:
        for leaf in _leaves(key, one):
            yield leaf
