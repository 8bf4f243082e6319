"""``detaudit sources``, ``explain`` and ``machine``: what is known without a trial."""

import os
import sys
from typing import Annotated

import typer

from detaudit.cli.options import (
    Backend,
    EveryAdapter,
    PrintJson,
    Python,
    interpreter_path,
    source_ids,
)
from detaudit.cli.output import print_whole


def sources_command(
    python: Python = sys.executable, backend: Backend = None, json: PrintJson = False
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
    if json:
        sys.stdout.write(write.plain_json(listing_document(known, facts, gpus)))
    else:
        print_whole(listing(known, facts, gpus), wide=True)


def explain_command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            autocompletion=source_ids,
            help="A source, as `detaudit sources` lists them.",
        ),
    ],
    backend: EveryAdapter = None,
    seed: Annotated[
        int, typer.Option(min=0, max=2**31 - 1, help="The seed in the lines to paste.")
    ] = 1,
    json: PrintJson = False,
) -> None:
    """Say what a source is, how it breaks runs, and how to pin it."""
    from detaudit.cli.describe_source import about, about_document
    from detaudit.commands.scan import plan
    from detaudit.registry import base
    from detaudit.report import write

    known = base.script_sources()
    plan.check_id(source, known)
    chosen = known.get(source) or next(
        one for name, one in known.items() if name.partition(":")[0] == source
    )
    named = os.environ.get("KERAS_BACKEND")
    asked = backend or (named if named in chosen.backends else chosen.backends[0])
    there = base.on_backend(chosen, asked)
    if json:
        sys.stdout.write(write.plain_json(about_document(there, asked, seed)))
    else:
        print_whole(about(there, asked, seed))


def machine_command(python: Python = sys.executable, json: PrintJson = False) -> None:
    """Tell what is known of this machine and of the environment under test."""
    from detaudit.cli.describe_machine import render
    from detaudit.execution import interpreter
    from detaudit.machine import inventory
    from detaudit.report import write

    described = inventory.everything(interpreter.ask(interpreter_path(python)).facts)
    if json:
        sys.stdout.write(write.plain_json(described))
    else:
        print_whole(render(described), wide=True)
