"""Every source that detaudit knows, in the order in which they are tried.

A new source is a new file here and one line in ``MODULES``. Importing this package imports the
standard library only; the declarations are data, read by the engine and the guest alike.
"""

import importlib.util
import os
import sys
from types import ModuleType
from typing import Dict, Sequence, Tuple

from detaudit_probes.declare import Pin, Source
from detaudit_probes.sources import (
    address_order,
    augmentation,
    batch_invariance,
    batch_shuffle,
    clock,
    cpu_or_gpu,
    cudnn,
    directory_order,
    dropout,
    eager,
    embedding,
    gpu_kernels,
    gpu_to_gpu,
    hash_seed,
    indexing_gradient,
    input_changed,
    instruction_set,
    inter_op_threads,
    intra_op_threads,
    jax_cache,
    jax_generator,
    keras_seed,
    load,
    loader_workers,
    numpy_generator,
    numpy_legacy,
    onednn,
    op_determinism,
    os_entropy,
    precision,
    process_pool,
    python_random,
    replicas,
    resume,
    second_fit,
    sparse_update,
    temporary_folder,
    tensorflow_seed,
    tf32,
    tfdata_order,
    tfdata_random_map,
    tfdata_shuffle,
    theano_flags,
    third_party,
    thread_race,
    torch_compile,
    torch_cudnn,
    torch_seed,
    torch_workers,
    uninitialized_memory,
    update_race,
    wall_clock,
    weight_init,
    xla,
)

MODULES = (
    # generators
    python_random,
    numpy_legacy,
    numpy_generator,
    tensorflow_seed,
    torch_seed,
    keras_seed,
    os_entropy,
    clock,
    third_party,
    jax_generator,
    # order
    hash_seed,
    directory_order,
    tfdata_order,
    tfdata_random_map,
    tfdata_shuffle,
    loader_workers,
    torch_workers,
    # parallel arithmetic
    intra_op_threads,
    inter_op_threads,
    sparse_update,
    indexing_gradient,
    uninitialized_memory,
    update_race,
    theano_flags,
    load,
    replicas,
    # kernels and compilers
    op_determinism,
    onednn,
    instruction_set,
    xla,
    torch_compile,
    jax_cache,
    eager,
    precision,
    batch_invariance,
    # use
    weight_init,
    dropout,
    embedding,
    batch_shuffle,
    augmentation,
    second_fit,
    resume,
    # gpu
    cpu_or_gpu,
    cudnn,
    torch_cudnn,
    tf32,
    gpu_kernels,
    gpu_to_gpu,
)

#: What only a user's own script can have: tried by ``detaudit run`` alone.
SCRIPT_MODULES = MODULES + (
    thread_race,
    process_pool,
    wall_clock,
    address_order,
    input_changed,
    temporary_folder,
)

#: The pins that are tried from outside on a user's script, cheap and specific ones first: where two
#: would do, the earlier is told.
SCRIPT_PINS = (
    "hash-seed",
    "python-random",
    "numpy-legacy",
    "tensorflow-seed",
    "torch-seed",
    "numpy-generator",
    "sorted-listing",
    "one-worker",
    "serial-map",
    "ordered-map",
    "one-pool-thread",
    "one-process",
    "dense-update",
    "ordered-updates",
    "clock",
    "os-entropy",
    "one-thread",
    "op-determinism",
    "xla-deterministic",
    "fixed-addresses",
)

#: What the base condition pins where it is there, in the order in which the pins are applied. No op
#: determinism: it is a pin tried by itself, for unseeded random operations raise under it and it
#: switches Keras' XLA off.
BASE_PINS = (
    "keras-seed",
    "python-random",
    "numpy-legacy",
    "tensorflow-seed",
    "torch-seed",
    "os-entropy",
    "clock",
    "hash-seed",
    "sorted-listing",
    "ordered-updates",
    "one-thread",
)

#: What it pins besides where trainings run on a GPU, whichever of them the backend has.
GPU_BASE_PINS = ("op-determinism", "xla-deterministic")


def declared(modules: Tuple[ModuleType, ...] = MODULES) -> Dict[str, Tuple[Source, ModuleType]]:
    """Each source's id, in order, with its declaration and the module that holds it.

    A module declares one ``SOURCE``, or ``SOURCES`` where one idea has many names (third-party
    libraries).
    """
    found = {}
    for module in modules:
        for source in getattr(module, "SOURCES", None) or (module.SOURCE,):
            found[source.id] = (source, module)
    return found


def pins(modules: Tuple[ModuleType, ...] = MODULES) -> Dict[str, Tuple[Pin, ModuleType]]:
    """Each pin's id with the pin and the module whose ``pin`` function applies it."""
    return {
        pin.id: (pin, module)
        for source, module in declared(modules).values()
        for pin in source.pins
    }


def with_third_party(folders: Sequence[str]) -> Tuple[ModuleType, ...]:
    """Our modules and those of every ``*.py`` file in ``folders``, in the order of their names."""
    found = list(MODULES)
    for folder in folders:
        for name in sorted(os.listdir(folder)):
            if name.endswith(".py") and not name.startswith("_"):
                path = os.path.join(folder, name)
                specification = importlib.util.spec_from_file_location(
                    "detaudit_third_party_" + name[:-3], path
                )
                module = importlib.util.module_from_spec(specification)
                sys.modules[specification.name] = module
                specification.loader.exec_module(module)
                found.append(module)
    return tuple(found)
