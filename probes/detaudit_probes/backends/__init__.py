"""One adapter module per backend: seeds, threads, devices, generator states, a variable's bits.

Facts about a backend are only here and in the sources that are about one. To add a backend, add its
adapter and its name to the list. An adapter has

``BACKEND``                     what else is known about it (``declare.Backend``)
``IMPORTS``                     what a nest imports, in this order
``configure(trial)``            threads and devices, before the runtime starts; raises Unavailable
``set_threads(count)``          (JAX, Torch) how many threads share an operation, from now on
``gpus()``                      how many GPUs the framework sees
``gpu_in_use()``                whether training is placed on a GPU, once ``configure`` has run
``freshen(value)``              seed with ``value`` what a new process would seed from the
                                operating system
``seed(value)``                 seed the framework's own global generator, if it has one
``make_deterministic()``        enable op determinism, if the framework has it
``deterministic()``             whether op determinism is enabled
``intra_op_threads()``          how many threads share an operation
``count_draws()``, ``unseeded_draws()``
                                count random operations that take a seed from the global generator
``generator_states()``          (name, state) of its generators and of Keras', without creating one
``read(variable)``              the bits as a NumPy array that nothing else writes to
``view(variable)``              (JAX, Torch) the same, but perhaps of memory that the next step
                                writes to
``tensor(variable)``, ``dtype_name(value)``, ``on_card(variable)``, ``lanes(values)``
                                (Keras 3) a variable's content, and
                                :mod:`detaudit_probes.recording.on_device` for variables on a card
``sync(model)``                 bring a model's variables up to date while ``fit`` runs
``record_step(model, caught)``  let a step add (stage, name, tensor) of its computation to
                                ``caught``
``optimizer_variables(model)``  the optimizer's state
``facts()``                     what must be equal in both trials of a pair
"""

import importlib
from types import ModuleType
from typing import Dict, Tuple

from detaudit_probes.declare import (
    KERAS_3,
    KERAS_OF_TENSORFLOW,
    KERAS_WITH_BACKENDS,
    Backend,
)

NAMES = ("tensorflow", "jax", "torch", "theano", "tensorflow1", "tensorflow2", "tf_keras")


def get(name: str) -> ModuleType:
    """Return the adapter of a backend. It imports the framework only inside its functions."""
    if name not in NAMES:
        raise ValueError("unknown backend %r; the known backends are %s" % (name, ", ".join(NAMES)))
    return importlib.import_module("detaudit_probes.backends." + name)


#: What is known about each, in order.
KNOWN: Dict[str, Backend] = {name: get(name).BACKEND for name in NAMES}


def of_keras(generation: str) -> Tuple[str, ...]:
    """Return the backends of a generation of Keras."""
    return tuple(name for name, backend in KNOWN.items() if backend.keras == generation)


EVERY_BACKEND = of_keras(KERAS_3)
OLD_KERAS = of_keras(KERAS_WITH_BACKENDS)
TF_KERAS = of_keras(KERAS_OF_TENSORFLOW)
BACKENDS = EVERY_BACKEND + OLD_KERAS + TF_KERAS
#: The names that ``KERAS_BACKEND`` takes.
KERAS_NAMES = tuple(dict.fromkeys(backend.keras_name for backend in KNOWN.values()))
