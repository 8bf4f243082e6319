"""One thin adapter module per backend: seeds, threads, devices, generator states, a variable's bits.

Nothing about a backend stands elsewhere, but for the sources that are about one.
"""
import importlib
from types import ModuleType

NAMES = ("tensorflow",)


def get(name: str) -> ModuleType:
    """The adapter of a backend. It imports the framework inside its functions only."""
    if name not in NAMES:
        raise ValueError("unknown backend %r: this guest knows %s" % (name, ", ".join(NAMES)))
    return importlib.import_module("detaudit_probes.backends." + name)
