"""Every source that detaudit knows, in the order in which they are tried.

To add a source, add a file here and one line to ``MODULES``. Importing this package imports the
standard library only. The declarations are data; both the engine and the guest read them.
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

#: Sources that only a user's own script can have. Only ``detaudit run`` tries them.
SCRIPT_MODULES = MODULES + (
    thread_race,
    process_pool,
    wall_clock,
    address_order,
    input_changed,
    temporary_folder,
)

#: The pins that are applied to a user's script from outside, cheap and specific ones first: if two
#: of them work, the earlier one is reported.
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

#: The pins of the base condition, if they exist on the backend, in the order in which they are
#: applied. Op determinism is not among them. It is tried by itself, because unseeded random
#: operations raise under it and because it disables Keras' XLA.
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

#: The pins that it adds if training runs on a GPU: those of them that the backend has.
GPU_BASE_PINS = ("op-determinism", "xla-deterministic")


def declared(modules: Tuple[ModuleType, ...] = MODULES) -> Dict[str, Tuple[Source, ModuleType]]:
    """Return each source's id, in order, with its declaration and the module that contains it.

    A module declares one ``SOURCE``, or several ``SOURCES`` if they share one idea (third-party
    libraries).
    """
    found = {}
    for module in modules:
        for source in getattr(module, "SOURCES", None) or (module.SOURCE,):
            found[source.id] = (source, module)
    return found


def pins(modules: Tuple[ModuleType, ...] = MODULES) -> Dict[str, Tuple[Pin, ModuleType]]:
    """Return each pin's id with the pin and the module whose ``pin`` function applies it."""
    return {
        pin.id: (pin, module)
        for source, module in declared(modules).values()
        for pin in source.pins
    }


def with_third_party(folders: Sequence[str]) -> Tuple[ModuleType, ...]:
    """Return our modules and those of every ``*.py`` file in ``folders``, sorted by name."""
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
