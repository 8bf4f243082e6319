"""Every source that detaudit knows, in the order in which they are tried.

To add a source, add a file here and its name to the list. Files of third parties, whose paths are
in a variable (``protocol.SOURCES_VARIABLE``), are imported after ours. Importing this package
imports the standard library only. The declarations are data; both the engine and the guest read
them.
"""

import importlib
import importlib.util
import os
import sys
from types import ModuleType
from typing import Dict, Optional, Tuple

from detaudit_probes.declare import Pin, Source
from detaudit_probes.protocol import SOURCES_VARIABLE

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
    "library_threads",
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


#: Those of a scan, and those of a user's own script.
MODULES = _modules(_NAMES)
SCRIPT_MODULES = MODULES + _modules(_SCRIPT_NAMES)


def sources_of(module: ModuleType) -> Tuple[Source, ...]:
    """Return what a module declares: one ``SOURCE``, or several ``SOURCES`` if they share one idea
    (third-party libraries).
    """
    return getattr(module, "SOURCES", None) or (module.SOURCE,)


def declared(
    modules: Optional[Tuple[ModuleType, ...]] = None,
) -> Dict[str, Tuple[Source, ModuleType]]:
    """Return each source's id, in order, with its declaration and the module that contains it.
    Without ``modules``, those of a scan.
    """
    return {
        source.id: (source, module)
        for module in (MODULES if modules is None else modules)
        for source in sources_of(module)
    }


def pins(modules: Optional[Tuple[ModuleType, ...]] = None) -> Dict[str, Tuple[Pin, ModuleType]]:
    """Return each pin's id with the pin and the module whose ``pin`` function applies it. Without
    ``modules``, those of a scan.
    """
    return {
        pin.id: (pin, module)
        for source, module in declared(modules).values()
        for pin in source.pins
    }


def _of_third_party(path: str) -> ModuleType:
    """Import a third party's file. Raises ImportError with the path and the reason if that fails,
    or if it declares no source, or a source or pin that exists.
    """
    try:
        name = "detaudit_third_party_" + os.path.splitext(os.path.basename(path))[0]
        specification = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(specification)
        sys.modules[name] = module
        specification.loader.exec_module(module)
        if not hasattr(module, "SOURCE") and not hasattr(module, "SOURCES"):
            raise ValueError("it declares no SOURCE (the name of a helper file begins with _)")
        declaration = declared((module,))
    except Exception as error:
        raise ImportError("%s: %s: %s" % (path, type(error).__name__, error)) from error
    again = set(declaration).intersection(declared(SCRIPT_MODULES))
    again.update(set(pins((module,))).intersection(pins(SCRIPT_MODULES)))
    if again:
        raise ImportError("%s declares %s, which exists already" % (path, ", ".join(sorted(again))))
    return module


for _path in filter(None, os.environ.get(SOURCES_VARIABLE, "").split(os.pathsep)):
    _module = _of_third_party(_path)
    SCRIPT_MODULES += (_module,)
    if any(source.experiment is not None for source in sources_of(_module)):
        MODULES += (_module,)

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
