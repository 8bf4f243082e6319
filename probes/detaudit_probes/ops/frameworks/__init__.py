"""Observing the operations of a step and restoring what it changes: one module for each supported
framework.

``OperationRecorder(hasher, users, variables)``
                                      collects the events of executed operations
``recording(recorder)``               collects while the block runs
``naming_layers(recorder)``           knows stages and layers while the block runs
``eagerly()``                         runs compiled code operation by operation while the block runs
``State(variables)``                  everything that a step changes
``ends(variables, returned, whole)``  the weights, as arrays, at the end of a step that returned
                                      ``returned``; or everything that the step left
``stepping(pinpoint, model, given)``  (if there is one) ``model.train_function``, its steps replayed
"""

import importlib
from types import ModuleType

from detaudit_probes.backends import EVERY_BACKEND


def get(name: str) -> ModuleType:
    """Return the module of a backend. Raises KeyError if its steps cannot be observed."""
    if name not in EVERY_BACKEND:
        raise KeyError(name)
    return importlib.import_module("detaudit_probes.ops.frameworks." + name)
