"""Facts of the environment that a trial ran in: allow-listed, nothing private."""

import functools
import os
import platform
import resource
import sys
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


def imported() -> Tuple[str, ...]:
    """Return those of the installed distributions that this process has imported."""
    known = packages()
    return tuple(
        one.distribution
        for one in PACKAGES
        if one.distribution in known and one.module in sys.modules
    )


def _packages_of_old_python() -> Dict[str, str]:
    try:
        import pkg_resources
    except ImportError:
        return {}
    known = {item.project_name.lower(): item.version for item in pkg_resources.working_set}
    names = (one.distribution for one in PACKAGES)
    return {name: known[name] for name in names if name in known}
