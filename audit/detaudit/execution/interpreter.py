"""The interpreter under test before anything is imported in it: what is installed there, and which
adapter fits.
"""

import os
from collections.abc import Mapping
from typing import Any

from detaudit_probes.backends import KERAS_NAMES, KNOWN
from detaudit_probes.declare import keras_2_is_chosen, under_keras_2

from detaudit.errors import EnvironmentUnusable
from detaudit.execution.host import Hello, Interpreter
from detaudit.execution.limits import Limits
from detaudit.execution.runner import Runner
from detaudit.execution.variables import environment_for_nests
from detaudit.execution.workspace import workspace
from detaudit.registry import base

TENSORFLOW = KERAS_NAMES[0]


def ask(python: str) -> Hello:
    """Return what an interpreter reports about itself without importing a framework. Raises
    EnvironmentUnusable if it cannot be started, or is too old.
    """
    with workspace() as folder:
        environment = environment_for_nests(os.environ, (), str(folder.private))
        runner = Runner(
            Interpreter(python, TENSORFLOW, imports=False),
            Limits(),
            folder.path / "run-asked",
            environment,
        )
        try:
            return runner.greet(base.base_condition(TENSORFLOW, "cpu", 1))
        finally:
            runner.close()


def choose(
    asked: str | None, facts: Mapping[str, Any], variables: Mapping[str, str] = os.environ
) -> str:
    """Return the adapter for the requested backend, else for the one that ``KERAS_BACKEND`` names,
    else for the installed one: TensorFlow if it is installed, otherwise the only other one.

    Raises EnvironmentUnusable if several others are installed, and like :func:`adapter`.
    """
    named = variables.get("KERAS_BACKEND")
    backend = asked or (named if named in KERAS_NAMES else None)
    if backend is None:
        there = installed(facts)
        if len(there) > 1 and there[0] != TENSORFLOW:
            raise EnvironmentUnusable(
                f"This environment has {' and '.join(there)}: choose one with --backend {there[0]}."
            )
        backend = there[0] if there else TENSORFLOW
    return adapter(backend, facts, variables)


def adapter(
    backend: str, facts: Mapping[str, Any], variables: Mapping[str, str] = os.environ
) -> str:
    """Return the adapter for a user's backend: an old TensorFlow or Keras needs a different one
    than ``tensorflow``.

    Keras is old by its version, or if ``variables`` make TensorFlow use the package ``tf_keras``.
    Raises EnvironmentUnusable for TensorFlow 2.0 to 2.2.
    """
    packages = facts.get("packages", {})
    release = next(
        (_release(packages[name]) for name in KNOWN[TENSORFLOW].distributions if name in packages),
        None,
    )
    if backend != TENSORFLOW:
        return backend
    if release is None:
        return backend
    if (2, 0) <= release < (2, 3):
        raise EnvironmentUnusable(
            f"TensorFlow {release[0]}.{release[1]} is not supported. Install TensorFlow 1, or 2.3 "
            f"or newer."
        )
    # Before 2.7, users of TensorFlow use its own Keras 2, whatever else is installed.
    legacy = "tf-keras" in packages and keras_2_is_chosen(variables)
    old = release < (2, 7) or _release(packages.get("keras", "3.0")) < (3, 0) or legacy
    return under_keras_2(release) if old else TENSORFLOW


def installed(facts: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the installed backends, with the names that users use."""
    packages = facts.get("packages", {})
    found = (
        backend.keras_name
        for backend in KNOWN.values()
        if any(name in packages for name in backend.distributions)
    )
    return tuple(dict.fromkeys(found))


def _release(version: str) -> tuple[int, int]:
    major, minor = (*version.split("."), "0")[:2]
    return int(major), int(minor)
