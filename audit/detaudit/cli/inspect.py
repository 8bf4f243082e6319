"""``detaudit sources``, ``explain`` and ``machine``: what is known without a trial."""

import sys
from typing import Annotated

import typer
from detaudit_probes.declare import BACKENDS
from rich.console import Console

from detaudit.cli import streams
from detaudit.cli.options import Backend, Python, interpreter_path, one_of


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


def explain_command(
    source: Annotated[
        str, typer.Argument(metavar="ID", help="A source, as `detaudit sources` lists them.")
    ],
    backend: Annotated[
        str | None,
        typer.Option(
            show_default="tensorflow, or the first that has it",
            help=f"The Keras backend: {', '.join(BACKENDS)}.",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="The seed in the lines to paste.")
    ] = 1,
) -> None:
    """Say what a source is, how it breaks runs, and how to pin it."""
    from detaudit.cli.describe_source import about
    from detaudit.commands.scan import plan
    from detaudit.registry import base

    known = base.script_sources()
    plan.check_id(source, known)
    chosen = known.get(source) or next(
        one for name, one in known.items() if name.partition(":")[0] == source
    )
    asked = one_of(backend or chosen.backends[0], BACKENDS, "--backend")
    Console().print(about(base.on_backend(chosen, asked), asked, seed))


def machine_command(
    python: Python = sys.executable,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Tell what is known of this machine and of the environment under test."""
    from detaudit.cli.describe_machine import render
    from detaudit.execution import interpreter
    from detaudit.machine import inventory
    from detaudit.report import write

    described = inventory.everything(interpreter.ask(interpreter_path(python)).facts)
    if json:
        streams.write_file(write.plain_json(described))
    else:
        Console().print(render(described))
