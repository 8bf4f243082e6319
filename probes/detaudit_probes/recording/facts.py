"""Facts of the environment that a trial ran in: allow-listed, nothing private."""

import functools
import os
import platform
import resource
import sys
from types import ModuleType
from typing import Any, Dict, Tuple

from detaudit_probes.packages import PACKAGES


def of_environment(backend: Any) -> Dict[str, Any]:
    """Return the facts that must be equal in both trials of a pair."""
    found = of_interpreter()
    found["framework"] = backend.facts()
    return found


def cores() -> int:
    """Return how many cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def max_rss() -> int:
    """Return the peak memory in bytes. (``ru_maxrss`` is in KiB, on macOS in bytes:
    getrusage(2).)
    """
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (
        1 if sys.platform == "darwin" else 1024
    )


def of_interpreter() -> Dict[str, Any]:
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "machine": platform.machine(),
        "libc": "-".join(platform.libc_ver()),
        "byteorder": sys.byteorder,
        "hash_algorithm": sys.hash_info.algorithm,
        "cpus": cores(),
        "packages": packages(),
    }


@functools.lru_cache(maxsize=None)  # read once per nest and inherited by every trial
def packages() -> Dict[str, str]:
    """Return the installed versions, read from the distributions' metadata without
    importing them.
    """
    try:
        from importlib import metadata
    except ImportError:  # before Python 3.8
        return _packages_of_old_python()
    found = {}
    for name in (one.distribution for one in PACKAGES):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def imported(root: str) -> Tuple[str, ...]:
    """Return those of the installed distributions that code below the folder ``root`` has imported:
    frameworks import each other, which tells nothing about the program.
    """
    root = os.path.join(os.path.realpath(root), "")
    tops = set()
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if name == "__main__" or (file and os.path.realpath(file).startswith(root)):
            tops.update(map(_package_of, list(vars(module).values())))
    known = packages()
    return tuple(
        one.distribution
        for one in PACKAGES
        if one.distribution in known and one.module.partition(".")[0] in tops
    )


def _package_of(value: Any) -> str:
    """Return the package of a module, or of the class or function that ``value`` is."""
    is_module = isinstance(value, ModuleType)
    try:
        name = value.__name__ if is_module else value.__module__
    except Exception:  # of the script's own objects
        return ""
    return name.partition(".")[0] if isinstance(name, str) else ""


def _packages_of_old_python() -> Dict[str, str]:
    try:
        import pkg_resources
    except ImportError:
        return {}
    known = {item.project_name.lower(): item.version for item in pkg_resources.working_set}
    names = (one.distribution for one in PACKAGES)
    return {name: known[name] for name in names if name in known}
