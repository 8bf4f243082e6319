"""Whether a source can be tried here, and what is missing."""

import os
from collections.abc import Mapping
from typing import Any

from detaudit_probes.declare import Needs, Source


def lacking(
    source: Source, facts: Mapping[str, Any], gpus: int, backend: str | None = None
) -> str | None:
    """Return why the source cannot be tried here, or None. ``backend`` is the package of a backend
    that is needed too.
    """
    needs = source.needs
    if backend is not None and backend not in facts.get("packages", {}):
        return f"no {backend} here"
    if needs.gpus > gpus:
        return f"needs {needs.gpus} GPU{'s' if needs.gpus > 1 else ''}, {gpus or 'none'} here"
    missing = [name for name in needs.packages if name not in facts.get("packages", {})]
    if missing:
        return f"no {missing[0]} here"
    flags = missing_flags(needs, facts)
    if flags:
        return f"this CPU has no {flags[0].upper()}"
    cores = int(facts.get("cpus") or os.cpu_count() or 1)
    return f"needs {needs.cores} cores, {cores} here" if needs.cores > cores else None


def missing_flags(needs: Needs, facts: Mapping[str, Any]) -> list[str]:
    """Return the required instructions that this CPU lacks; none if its flags are not known."""
    flags = facts.get("cpu_flags")
    return [] if flags is None else [name for name in needs.cpu_flags if name not in flags]
