"""``--reproducer``: a script that shows the nondeterminism of one operation."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detaudit.cli.interruptions import interruptions
from detaudit.cli.messages import note, warn

if TYPE_CHECKING:
    from detaudit.core.pinpoint import LocatedOperation

#: The packages whose versions are in a reproducer's header.
FRAMEWORKS = ("tensorflow", "torch", "keras", "numpy")


def reproduce(
    path: Path,
    operation: "LocatedOperation | None",
    facts: Mapping[str, Any],
    python: str,
    threads: int | None = None,
) -> None:
    """Write a script that reproduces one operation's nondeterminism, if confirmed; otherwise print
    why there is none.
    """
    from detaudit.commands.ops import reproducer
    from detaudit.execution.workspace import workspace
    from detaudit.report import write

    if operation is None:
        note("No reproducer: no operation gave different results from equal inputs in one process.")
        return
    packages = {
        name: version for name, version in facts.get("packages", {}).items() if name in FRAMEWORKS
    }
    backend = facts.get("framework", {}).get("backend", "tensorflow")
    text = reproducer.text(operation, packages, threads, backend)
    if text is None:
        note(f"No reproducer: {operation.name} cannot be called alone with generated inputs.")
        return
    try:
        interruptions.release()
        with workspace() as folder:
            confirmed = reproducer.shows(text, python, folder.private)
    except KeyboardInterrupt:
        warn("No reproducer: interrupted.")
        return
    finally:
        interruptions.defer()
    if not confirmed:
        note("No reproducer: called alone with random inputs, the operation gave equal results.")
        return
    write.save(path, text)
    note(f"Reproducer: {path}. It was run, and its results differ.")
