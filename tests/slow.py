"""What only ``pytest --all`` runs, for it takes too long for every day (tests/README.md)."""

from collections.abc import Iterable
from typing import Any

import pytest

slow = pytest.mark.slow


def slow_but_for(usual: Iterable[Any], values: Iterable[Any]) -> list[Any]:
    """The values as parameters of a test, of which all but the ``usual`` ones are slow."""
    kept = list(usual)
    every = list(values)
    unknown = [value for value in kept if value not in every]
    assert not unknown, unknown
    return [value if value in kept else _slow(value) for value in every]


def _slow(value: Any) -> Any:
    values = value if isinstance(value, tuple) else (value,)
    return pytest.param(*values, marks=slow)
