"""What records the operations of a step, and sets back what a step changes: one module for each
framework that can.

``OperationRecorder(hasher, users, variables)``
                                      collects the events of what is executed
``recording(recorder)``               while the block runs
``naming_layers(recorder)``           knows stages and layers while the block runs
``eagerly()``                         operation by operation, what else is compiled, while the block
                                      runs
``State(variables)``                  everything that a step changes
``ends(variables, returned, whole)``  the weights, as arrays, on which a step that returned so has
                                      ended; or all it left
``stepping(pinpoint, model, given)``  (where there is one) ``model.train_function``, its steps
                                      replayed
"""

import importlib
from types import ModuleType

from detaudit_probes.declare import EVERY_BACKEND


def get(name: str) -> ModuleType:
    """Raises KeyError where no step of this backend can be watched."""
    if name not in EVERY_BACKEND:
        raise KeyError(name)
    return importlib.import_module("detaudit_probes.ops.frameworks." + name)
