"""One adapter module per backend: seeds, threads, devices, generator states, a variable's bits.

Nothing about a backend stands elsewhere, but for the sources that are about one. An adapter has

``IMPORTS``                     what a nest imports, in this order
``configure(trial)``            threads and devices, before the runtime starts; raises Unavailable
``set_threads(count)``          (JAX, Torch) how many threads share an operation, from now on
``gpus()``                      how many GPUs the framework sees
``gpu_in_use()``                whether a training is placed on one, once ``configure`` has run
``freshen(value)``              what a fresh process would seed from the operating system, seeded
                                with ``value``
``seed(value)``                 the framework's own global generator, where it has one
``make_deterministic()``        its switch for op determinism, where it has one
``deterministic()``             whether that is on
``intra_op_threads()``          how many threads share an operation
``count_draws()``, ``unseeded_draws()``
                                random operations that take their seed from the global generator
``generator_states()``          (name, state) of its generators and of Keras', without making one
``read(variable)``              the bits as a NumPy array that nothing else writes to
``tensor(variable)``, ``dtype_name(value)``, ``on_card(variable)``, ``lanes(values)``
                                (Keras 3) what a variable holds, and
                                :mod:`detaudit_probes.recording.on_device` of what lies on a card
``sync(model)``                 bring a model's variables up to date while ``fit`` runs
``record_step(model, caught)``  let a step leave (stage, name, tensor) of what it computes in
                                ``caught``
``optimizer_variables(model)``  the optimizer's state
``facts()``                     what must be equal in both trials of a pair
"""

import importlib
from types import ModuleType

NAMES = ("tensorflow", "jax", "torch", "theano", "tensorflow1", "tensorflow2", "tf_keras")


def get(name: str) -> ModuleType:
    """The adapter of a backend. It imports the framework inside its functions only."""
    if name not in NAMES:
        raise ValueError("unknown backend %r: this guest knows %s" % (name, ", ".join(NAMES)))
    return importlib.import_module("detaudit_probes.backends." + name)
