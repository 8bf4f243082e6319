"""``detaudit explain``: one source."""

import os
import sys
from typing import Annotated

import typer

from detaudit.cli.messages import print_whole
from detaudit.cli.options import EveryAdapter, PrintJson, alternatives, source_ids
from detaudit.cli.third_parties import Probes
from detaudit.core.sentences import listed
from detaudit.errors import UsageError

EXAMPLE = "Example: detaudit explain sparse-update"


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
    probes: Probes = [],  # noqa: B006 (typer copies it)
    json: PrintJson = False,
) -> None:
    """Describe a source: what it is, how it makes runs differ, and how to pin it."""
    from detaudit.cli.describe_source import about, about_document
    from detaudit.commands.scan import plan
    from detaudit.registry import base
    from detaudit.report import write

    known = base.script_sources()
    if source not in known and source in base.known_pins():
        pinned = base.known_pins()[source].sources
        raise UsageError(
            f"{source} is a pin, not a source. It pins {listed(pinned)}: detaudit explain {pinned[0]}"
        )
    plan.check_id(source, known)
    chosen = known.get(source) or next(
        one for name, one in known.items() if name.partition(":")[0] == source
    )
    if backend is not None and backend not in chosen.backends:
        raise UsageError(
            f"{source} is not a source on {backend}. Give --backend {alternatives(chosen.backends)}."
        )
    named = os.environ.get("KERAS_BACKEND")
    asked = backend or (named if named in chosen.backends else chosen.backends[0])
    there = base.on_backend(chosen, asked)
    if json:
        sys.stdout.write(write.plain_json(about_document(there, asked, seed)))
    else:
        print_whole(about(there, asked, seed))
