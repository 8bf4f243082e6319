"""Traces by the thousand: in memory, and removed when their test ends."""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

MEMORY = "/dev/shm"


@pytest.fixture
def fresh_folder() -> Iterator[Callable[[], Path]]:
    """A new empty folder at every call: one test with many examples needs many."""
    numbers = itertools.count()
    where = MEMORY if os.access(MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="traces-", dir=where) as base:

        def make() -> Path:
            folder = Path(base) / str(next(numbers))
            folder.mkdir()
            return folder

        yield make
