"""The environments of eight years: an interpreter, pinned packages, and the backend that is audited
there.
"""

import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.interpreters import interpreter

PINS = Path(__file__).with_name("pins")


class CannotBuild(Exception):
    """The interpreter or a package cannot be had here; the message says which."""


@dataclass(frozen=True)
class Environment:
    """``backend`` is what ``detaudit scan --backend`` is given; ``pip`` the last version that runs
    there; ``variables`` are set by who uses it.
    """

    name: str
    title: str
    python: str
    pins: str
    backend: str = "tensorflow"
    pip: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict)


ENVIRONMENTS = (
    Environment(
        "theano09", "Keras 2.0.3, Theano 0.9", "3.6", "theano09-keras203.txt", "theano", "21.3.1"
    ),
    Environment("tf11", "Keras 2.0.3, TensorFlow 1.1", "3.6", "tf11-keras203.txt", pip="21.3.1"),
    Environment(
        "theano105", "Keras 2.3.1, Theano 1.0.5", "3.7", "tf115-keras231.txt", "theano", "22.3.1"
    ),
    Environment("tf115", "Keras 2.3.1, TensorFlow 1.15", "3.7", "tf115-keras231.txt", pip="22.3.1"),
    Environment("tf23", "tf.keras, TensorFlow 2.3", "3.8", "tf23.txt", pip="23.0.1"),
    Environment("tf212", "tf.keras, TensorFlow 2.12", "3.10", "tf212.txt"),
    Environment("tf215", "tf.keras, TensorFlow 2.15", "3.11", "tf215.txt"),
    Environment(
        "tfkeras221",
        "tf_keras 2.21, TensorFlow 2.21",
        "3.11",
        "tf221-tfkeras.txt",
        variables={"TF_USE_LEGACY_KERAS": "1"},
    ),
    Environment("tf221", "Keras 3.15.1, TensorFlow 2.21", "3.11", "tf221-keras3.txt"),
    Environment("jax", "Keras 3.15.1, JAX 0.10.2", "3.11", "jax-keras3.txt", "jax"),
    Environment("torch", "Keras 3.15.1, Torch 2.13.0", "3.11", "torch-keras3.txt", "torch"),
)


def named(name: str) -> Environment:
    return next(one for one in ENVIRONMENTS if one.name == name)


def build(environment: Environment, folder: Path) -> str:
    """The interpreter of a virtual environment with the pinned packages, and nothing of ours; made
    where it is not.

    Raises CannotBuild. Environments with the same pins share one.
    """
    home = folder / environment.pins.removesuffix(".txt")
    python, made = home / "bin" / "python", home / "made"
    if made.exists():
        return str(python)
    found = interpreter(environment.python)
    if found is None:
        raise CannotBuild(f"no Python {environment.python} on PATH or in pyenv")
    pip = (
        [[python, "-m", "pip", "install", "-q", f"pip=={environment.pip}"]]
        if environment.pip
        else []
    )
    for command in (
        [found, "-m", "venv", "--clear", home],
        *pip,
        [python, "-m", "pip", "install", "-q", "-r", PINS / environment.pins],
    ):
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=1800, check=False
        )
        if done.returncode:
            raise CannotBuild(
                f"{environment.title} cannot be installed here: {done.stderr.strip()[-300:]}"
            )
    made.touch()
    return str(python)
