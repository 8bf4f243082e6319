"""A script that shows one operation's fault alone, without detaudit: to be attached to a framework's bug tracker.

It is run, and its fault is seen, before it is handed over as verified.
"""
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detaudit import __version__
from detaudit.pinpoint import Guilty

CALLS = 50
TIMEOUT = 300.0
ATTEMPTS = 3

_SHAPE = re.compile(r"(resource )?(\w+)\[([\d, ]*)\]$")

_TEMPLATE = '''"""tf.raw_ops.{operation}: equal inputs, other results. Written by detaudit {version}.

Seen: {distinct} distinct results in {replays} replays, with {packages}.
Exit status 1: the fault shows here. 0: it does not.
"""
import sys

import numpy as np
import tensorflow as tf

{threads}rng = np.random.RandomState(0)


def floats(dtype, *shape):
    return tf.cast(tf.constant(rng.standard_normal(shape)), dtype)


def integers(dtype, least, greatest, *shape):
    return tf.cast(tf.constant(rng.randint(least, greatest + 1, size=shape)), dtype)


{inputs}

def call():
{body}

results = {{call() for _ in range({calls})}}
print(f"TensorFlow {{tf.__version__}}: {{len(results)}} distinct results in {calls} calls")
sys.exit(len(results) > 1)
'''


def text(guilty: Guilty, packages: Mapping[str, Any], threads: int | None = None) -> str | None:
    """The script, under 60 lines; None where the operation's inputs cannot be made of their shapes alone."""
    inputs, variables = [], []
    for place, described in enumerate(guilty.inputs):
        made = _made(described, guilty.limits[place] if place < len(guilty.limits) else None)
        if made is None:
            return None
        inputs.append(f"input_{place} = {made}")
        if described.startswith("resource"):
            variables.append(place)
            inputs.append(f"begin_{place} = input_{place}.numpy()")
    arguments = ", ".join(_argument(name, value, variables) for name, value in guilty.call)
    body = [f"input_{place}.assign(begin_{place})" for place in variables]
    body.append(f"found = tf.raw_ops.{guilty.operation}({arguments})")
    body.append(f"return {' + '.join(f'input_{place}.numpy().tobytes()' for place in variables)}" if variables else
                'return b"".join(one.numpy().tobytes() for one in tf.nest.flatten(found))')
    return _TEMPLATE.format(
        operation=guilty.operation, version=__version__, distinct=guilty.replays.distinct,
        replays=guilty.replays.replays, calls=CALLS, inputs="\n".join(inputs) + "\n",
        packages=", ".join(f"{name} {version}" for name, version in sorted(packages.items())) or "TensorFlow",
        threads=f"tf.config.threading.set_intra_op_parallelism_threads({threads})\n" if threads else "",
        body="".join(f"    {line}\n" for line in body))


def _made(described: str, limits: tuple[int, int] | None) -> str | None:
    found = _SHAPE.match(described)
    if found is None:
        return None
    variable, dtype, shape = found[1], found[2], ", ".join(part for part in found[3].split(", ") if part)
    rest = f", {shape}" if shape else ""
    if dtype.startswith(("float", "bfloat")):
        made = f'floats("{dtype}"{rest})'
    elif dtype.startswith(("int", "uint")) and limits is not None:
        made = f'integers("{dtype}", {limits[0]}, {limits[1]}{rest})'
    elif dtype == "bool":
        made = f'integers("bool", 0, 1{rest})'
    else:
        return None
    return f"tf.Variable({made})" if variable else made


def _argument(name: str, value: Any, variables: list[int]) -> str:
    if name.startswith("attribute "):
        return f"{name.removeprefix('attribute ')}={value!r}"

    def one(place: int) -> str:
        return f"input_{place}.handle" if place in variables else f"input_{place}"

    return f"{name}={one(value)}" if isinstance(value, int) else f"{name}=[{', '.join(map(one, value))}]"


def shows(script: str, python: str, folder: Path) -> bool:
    """Whether the script, run by ``python`` in a process of its own, shows the fault.

    A race may not show while the machine is busy with something else: it is given ``ATTEMPTS``.
    """
    path = folder / "reproducer.py"
    path.write_text(script, encoding="utf-8")
    return any(_shown(path, python, folder) for _ in range(ATTEMPTS))


def _shown(path: Path, python: str, folder: Path) -> bool:
    try:
        done = subprocess.run([python, str(path)], cwd=folder, env=dict(os.environ), capture_output=True,
                              timeout=TIMEOUT, check=False, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 1 and b"distinct results in" in done.stdout
