"""A standalone script that reproduces one operation's nondeterminism without detaudit, to be
attached to a framework's bug report.

It is called verified only after a run of it has reproduced the nondeterminism.
"""

import math
import os
import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from detaudit import __version__
from detaudit.core.pinpoint import LocatedOperation

CALLS = 50
TIMEOUT = 300.0
ATTEMPTS = 3

_SHAPE = re.compile(r"(resource )?(\w+)\[([\d, ]*)\]$")

_TENSORFLOW = '''"""tf.raw_ops.{operation}: equal inputs, different results. Written by detaudit {version}.

Observed: {distinct} distinct results in {replays} replays, with {packages}.
Exit status 1: the results differ here. 0: they match.
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


_TORCH = '''"""torch.ops.{operation}: equal inputs, different results. Written by detaudit {version}.

Observed: {distinct} distinct results in {replays} replays, with {packages}.
Exit status 1: the results differ here. 0: they match.
"""
import sys

import numpy as np
import torch

{threads}rng = np.random.RandomState(0)


def floats(dtype, *shape):
    return torch.tensor(rng.standard_normal(shape), device="{device}").to(getattr(torch, dtype))


def integers(dtype, least, greatest, *shape):
    return torch.tensor(rng.randint(least, greatest + 1, size=shape), device="{device}").to(getattr(torch, dtype))


{inputs}

def call():
{body}

def bits(value):
    if isinstance(value, (list, tuple)):
        return b"".join(map(bits, value))
    return value.cpu().reshape(-1).view(torch.uint8).numpy().tobytes() if torch.is_tensor(value) else b""


results = {{bits(call()) for _ in range({calls})}}
print(f"Torch {{torch.__version__}}: {{len(results)}} distinct results in {calls} calls")
sys.exit(len(results) > 1)
'''


def text(
    operation: LocatedOperation,
    packages: Mapping[str, Any],
    threads: int | None = None,
    backend: str = "tensorflow",
) -> str | None:
    """Return the script, under 60 lines; None if the operation's inputs cannot be created from
    their shapes alone, or the operation cannot be called alone.
    """
    if not operation.call:
        return None
    inputs = [
        _made(described, operation.limits[place] if place < len(operation.limits) else None)
        for place, described in enumerate(operation.inputs)
    ]
    if None in inputs:
        return None
    template, lines, body, setting = _WRITERS[backend](operation, [str(one) for one in inputs])
    return template.format(
        operation=operation.name,
        version=__version__,
        distinct=operation.replays.distinct,
        replays=operation.replays.replays,
        calls=CALLS,
        inputs="\n".join(lines) + "\n",
        device=operation.device or "cpu",
        packages=", ".join(f"{name} {version}" for name, version in sorted(packages.items()))
        or backend,
        threads=f"{setting}({threads})\n" if threads else "",
        body="".join(f"    {line}\n" for line in body),
    )


def _tensorflow(
    operation: LocatedOperation, made: Sequence[str]
) -> tuple[str, list[str], list[str], str]:
    """Return the template, the lines that create the inputs, the body of a call, and the lines that
    set the threads.
    """
    variables = [
        place
        for place, described in enumerate(operation.inputs)
        if described.startswith("resource")
    ]
    lines: list[str] = []
    for place, one in enumerate(made):
        lines.append(
            f"input_{place} = tf.Variable({one})"
            if place in variables
            else f"input_{place} = {one}"
        )
        if place in variables:
            lines.append(f"begin_{place} = input_{place}.numpy()")

    def given(place: int) -> str:
        return f"input_{place}.handle" if place in variables else f"input_{place}"

    body = [f"input_{place}.assign(begin_{place})" for place in variables]
    body.append(f"found = tf.raw_ops.{operation.name}({_arguments(operation.call, given, repr)})")
    body.append(
        f"return {' + '.join(f'input_{place}.numpy().tobytes()' for place in variables)}"
        if variables
        else 'return b"".join(one.numpy().tobytes() for one in tf.nest.flatten(found))'
    )
    return _TENSORFLOW, lines, body, "tf.config.threading.set_intra_op_parallelism_threads"


def _torch(
    operation: LocatedOperation, made: Sequence[str]
) -> tuple[str, list[str], list[str], str]:
    """Like :func:`_tensorflow`. An operation may write into its inputs, so it gets copies, which
    are results too.
    """

    def written(value: Any) -> str:
        if isinstance(value, float) and not math.isfinite(value):
            return f'float("{value}")'
        return value if isinstance(value, str) and value.startswith("torch.") else repr(value)

    names = ", ".join(f"input_{place}" for place in range(len(made)))
    body = [
        f"given = [one.clone() for one in ({names},)]",
        f"found = torch.ops.{operation.name}({_arguments(operation.call, 'given[{}]'.format, written)})",
        "return [found, given]",
    ]
    return (
        _TORCH,
        [f"input_{place} = {one}" for place, one in enumerate(made)],
        body,
        "torch.set_num_threads",
    )


_WRITERS = {"tensorflow": _tensorflow, "torch": _torch}


def _made(described: str, limits: tuple[int, int] | None) -> str | None:
    found = _SHAPE.match(described)
    if found is None:
        return None
    dtype, shape = found[2], ", ".join(part for part in found[3].split(", ") if part)
    rest = f", {shape}" if shape else ""
    if dtype.startswith(("float", "bfloat")):
        made = f'floats("{dtype}"{rest})'
    elif dtype.startswith(("int", "uint")) and limits is not None:
        made = f'integers("{dtype}", {limits[0]}, {limits[1]}{rest})'
    elif dtype == "bool":
        made = f'integers("bool", 0, 1{rest})'
    else:
        return None
    return made


def _arguments(
    call: Sequence[tuple[str, Any]], given: Callable[[int], str], written: Callable[[Any], str]
) -> str:
    """Return the arguments of a call, by name: ``given`` names an input by its place, ``written``
    formats an attribute.
    """
    found = []
    for name, value in call:
        if name.startswith("attribute "):
            found.append(f"{name.removeprefix('attribute ')}={written(value)}")
        elif isinstance(value, int):
            found.append(f"{name}={given(value)}")
        else:
            found.append(
                f"{name}=[{', '.join('None' if one is None else given(one) for one in value)}]"
            )
    return ", ".join(found)


def shows(script: str, python: str, folder: Path) -> bool:
    """Whether the script, run by ``python`` in a new process, reproduces the nondeterminism.

    A race may not occur while the machine is busy, so the script is run up to ``ATTEMPTS`` times.
    """
    path = folder / "reproducer.py"
    path.write_text(script, encoding="utf-8")
    return any(_shown(path, python, folder) for _ in range(ATTEMPTS))


def _shown(path: Path, python: str, folder: Path) -> bool:
    try:
        done = subprocess.run(
            [python, str(path)],
            cwd=folder,
            env=dict(os.environ),
            capture_output=True,
            timeout=TIMEOUT,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 1 and b"distinct results in" in done.stdout
