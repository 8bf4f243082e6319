"""A script run by itself, without anything of detaudit: does an injection act?

``python -m tests.bench.plain`` is what ``end`` starts. The weights are those of every Keras
variable that is left when the script ends; nothing is collected meanwhile, so that a model in a
function's frame is left too.
"""

import gc
import hashlib
import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

SAID = "weights at the end: "


def copy(script: Path, parent: Path, changed: Mapping[str, str]) -> Path:
    """The script's folder below ``parent``, with other texts of some files."""
    folder = parent / script.name
    shutil.copytree(script, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for file, text in changed.items():
        (folder / file).write_text(text, encoding="utf-8")
    return folder


def end(folder: Path, case: dict[str, Any], backwards: bool = False) -> str:
    """A digest of what the script's training ends on. Raises RuntimeError, with what it said, where
    it fails.
    """
    target = ["-m", case["module"]] if case["module"] else ["train.py"]
    root = Path(__file__).parents[2]
    command = [
        sys.executable,
        str(Path(__file__)),
        "backwards" if backwards else "",
        *target,
        *case["arguments"],
    ]
    ran = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    said = [line for line in ran.stdout.splitlines() if line.startswith(SAID)]
    if ran.returncode or not said:
        raise RuntimeError(f"{folder.name}: {ran.stderr[-2000:].replace(str(root), '')}")
    return said[-1]


def main(backwards: bool, target: str, arguments: list[str]) -> None:
    gc.disable()
    if backwards:
        listdir, scandir = os.listdir, os.scandir
        os.listdir = lambda *given: sorted(listdir(*given), reverse=True)
        os.scandir = lambda *given: _Entries(
            sorted(scandir(*given), key=lambda one: one.name, reverse=True)
        )
    sys.path[0] = os.getcwd()
    try:
        if target == "-m":
            sys.argv = arguments
            runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
        else:
            sys.argv = [target, *arguments]
            runpy.run_path(target, run_name="__main__")
    except SystemExit as stop:
        if stop.code:
            raise
    print(f"\n{SAID}{_digest()}")


class _Entries(list):
    def __enter__(self):
        return self

    def __exit__(self, *error):
        pass

    def __next__(self):
        return self.pop(0)


def _digest() -> str:
    """Of the values of all floating-point variables, whatever their order."""
    import keras
    import numpy

    values = [
        numpy.asarray(one.value)
        for one in gc.get_objects()
        if isinstance(one, keras.Variable) and "float" in str(one.dtype)
    ]
    assert values, "no variables are left"
    return hashlib.sha256(
        "".join(sorted(hashlib.sha256(one.tobytes()).hexdigest() for one in values)).encode()
    ).hexdigest()


if __name__ == "__main__":
    main(sys.argv[1] == "backwards", sys.argv[2], sys.argv[3:])
