"""Interpreters of other versions, from PATH or pyenv."""
import shutil
import subprocess
from pathlib import Path


def interpreter(version: str) -> str | None:
    """One of this version that starts, such as ``3.6``, or None."""
    there = [shutil.which(f"python{version}"), *map(str, Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))]
    for found in filter(None, there):
        asked = subprocess.run([found, "-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
                               capture_output=True, text=True)
        if asked.stdout.strip() == version:
            return found
    return None
