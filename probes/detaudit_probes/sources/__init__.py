"""Every source that detaudit knows, in the order in which they are tried.

To add a source, add a file here and its name to the list. Importing this package imports the
standard library only. The declarations are data; both the engine and the guest read them.
"""

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Dict, Sequence, Tuple

from detaudit_probes.declare import Pin, Source

_NAMES = (
    # generators
    "python_random",
    "numpy_legacy",
    "numpy_generator",
    "tensorflow_seed",
    "torch_seed",
    "keras_seed",
    "os_entropy",
    "clock",
    "third_party",
    "jax_generator",
    # order
    "hash_seed",
    "directory_order",
    "tfdata_order",
    "tfdata_random_map",
    "tfdata_shuffle",
    "loader_workers",
    "torch_workers",
    # parallel arithmetic
    "intra_op_threads",
    "inter_op_threads",
    "sparse_update",
    "indexing_gradient",
    "uninitialized_memory",
    "update_race",
    "theano_flags",
    "load",
    "replicas",
    # kernels and compilers
    "op_determinism",
    "onednn",
    "instruction_set",
    "xla",
    "torch_compile",
    "jax_cache",
    "eager",
    "precision",
    "batch_invariance",
    # use
    "weight_init",
    "dropout",
    "embedding",
    "batch_shuffle",
    "augmentation",
    "second_fit",
    "resume",
    # gpu
    "cpu_or_gpu",
    "cudnn",
    "torch_cudnn",
    "tf32",
    "gpu_kernels",
    "gpu_to_gpu",
)

#: Sources that only a user's own script can have. Only ``detaudit run`` tries them.
_SCRIPT_NAMES = (
    "thread_race",
    "process_pool",
    "wall_clock",
    "address_order",
    "input_changed",
    "temporary_folder",
)


def _modules(names: Tuple[str, ...]) -> Tuple[ModuleType, ...]:
    return tuple(importlib.import_module("detaudit_probes.sources." + name) for name in names)


MODULES = _modules(_NAMES)
SCRIPT_MODULES = MODULES + _modules(_SCRIPT_NAMES)


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


#: The pins that are applied to a user's script from outside, cheap and specific ones first.
SCRIPT_PINS = tuple(
    source.script.pin
    for source, _ in sorted(
        declared(SCRIPT_MODULES).values(),
        key=lambda one: one[0].script.rank if one[0].script else 0,
    )
    if source.script is not None
)
#: Those of them that may make a script fail.
MAY_FAIL = frozenset(
    source.script.pin
    for source, _ in declared(SCRIPT_MODULES).values()
    if source.script is not None and source.script.may_fail
)
