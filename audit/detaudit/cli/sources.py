"""``detaudit sources``: what can be tried here."""

import sys

from detaudit_probes.declare import BACKENDS
from rich.console import Console

from detaudit.cli.options import Backend, Python, interpreter_path, one_of

EXAMPLE = "Example: detaudit sources"


def sources_command(python: Python = sys.executable, backend: Backend = "tensorflow") -> None:
    """List the sources, and whether each can be tried here."""
    from detaudit.cli.describe_source import listing
    from detaudit.execution import interpreter
    from detaudit.machine import gpu
    from detaudit.registry import base

    facts = interpreter.ask(interpreter_path(python)).facts
    adapter = interpreter.adapter(one_of(backend, BACKENDS, "--backend"), facts)
    gpus = gpu.count(gpu.snapshot())
    Console().print(listing(base.script_sources(adapter), facts, gpus))
