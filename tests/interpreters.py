"""Interpreters of other versions, from PATH or pyenv, and those that have another backend of
Keras.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def interpreter(version: str) -> str | None:
    """One of this version that starts, such as ``3.6``, or None."""
    there = [
        shutil.which(f"python{version}"),
        *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python")),
    ]
    for found in filter(None, there):
        asked = subprocess.run(
            [found, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
            capture_output=True,
            text=True,
        )
        if asked.stdout.strip() == version:
            return found
    return None


def activated() -> dict[str, str]:
    """The PATH of an activated environment: ``python`` in a shell script is this interpreter."""
    return {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def with_backend(backend: str) -> str:
    """The interpreter that ``_DETAUDIT_BACKEND_PYTHON`` names, or this one; skips if the backend is
    not installed.
    """
    python = os.environ.get(f"_DETAUDIT_{backend.upper()}_PYTHON", sys.executable)
    if python == sys.executable and importlib.util.find_spec(backend) is None:
        pytest.skip(f"no {backend} here")
    return python
