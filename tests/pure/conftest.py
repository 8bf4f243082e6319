"""What pure tests share: traces in memory, which are removed when their test ends, and worlds."""

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pure.worlds import world_in

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


@pytest.fixture
def world(tmp_path: Path, fresh_folder: Callable[[], Path]) -> Callable[..., Any]:
    """See :func:`tests.pure.worlds.world_in`."""
    return world_in(tmp_path, fresh_folder)
