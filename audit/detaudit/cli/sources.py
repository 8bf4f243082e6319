"""``detaudit sources``: what can be tried here."""

import sys

from detaudit_probes.backends import KNOWN

from detaudit.cli.messages import print_whole
from detaudit.cli.options import Backend, PrintJson, Python, interpreter_path
from detaudit.cli.third_parties import Probes

EXAMPLE = "Example: detaudit sources"


def sources_command(
    python: Python = sys.executable,
    backend: Backend = None,
    probes: Probes = [],  # noqa: B006 (typer copies it)
    json: PrintJson = False,
) -> None:
    """List the sources, and whether each can be tried here."""
    from detaudit.cli.describe_source import listing, listing_document
    from detaudit.execution import interpreter
    from detaudit.machine import gpu
    from detaudit.registry import base
    from detaudit.report import write

    facts = interpreter.ask(interpreter_path(python)).facts
    adapter = interpreter.choose(backend, facts)
    known, gpus = base.script_sources(adapter), gpu.count(gpu.snapshot())
    # TensorFlow has several packages, and without any backend it is the one that is described
    distributions = KNOWN[adapter].distributions
    package = distributions[0] if len(distributions) == 1 else None
    if json:
        sys.stdout.write(write.plain_json(listing_document(known, facts, gpus, package)))
    else:
        print_whole(listing(known, facts, gpus, package), wide=True)
