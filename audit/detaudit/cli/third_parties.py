"""Sources of third parties: what installed packages register, and the folders of ``--probes``.

The paths of their files go into a variable before the registry is imported: the engine, its nests
and the user's program then know the same sources.
"""

import importlib.metadata
import importlib.util
import os
from collections.abc import Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import Annotated

import typer
from detaudit_probes.protocol import SOURCES_VARIABLE

from detaudit.errors import UsageError

GROUP = "detaudit.sources"


def register(folders: Iterable[Path], variables: MutableMapping[str, str] = os.environ) -> None:
    """Make the sources of installed packages, and those of every file in ``folders``, known. Call
    it before anything imports the registry.

    Raises UsageError for a folder without a source, and for a file that cannot be used.
    """
    files = [*_of_packages(), *(file for folder in folders for file in _in_folder(folder))]
    variables.pop(SOURCES_VARIABLE, None)
    if files:
        variables[SOURCES_VARIABLE] = os.pathsep.join(str(file) for file in dict.fromkeys(files))
        try:
            from detaudit_probes import sources  # noqa: F401
        except ImportError as error:
            raise UsageError(f"A third party's source cannot be used: {error}") from error


def _of_packages() -> Iterator[Path]:
    for entry in sorted(importlib.metadata.entry_points(group=GROUP), key=lambda one: one.value):
        file = _file(entry.module)
        if file is None:
            package = entry.dist.name if entry.dist is not None else "a package"
            raise UsageError(
                f"{package} registers the source {entry.value}, but there is no such file."
            )
        yield file


def _file(module: str) -> Path | None:
    """Return the file of a module without importing it or its packages, which may need much."""
    top, *inner = module.split(".")
    found = importlib.util.find_spec(top)
    if found is None:
        return None
    if not inner:
        return Path(found.origin) if found.origin else None
    folders = map(Path, found.submodule_search_locations or ())
    files = (folder.joinpath(*inner).with_suffix(".py") for folder in folders)
    return next((file for file in files if file.is_file()), None)


def _in_folder(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise UsageError(f"--probes takes a folder, and {folder} is none.")
    files = sorted(file for file in folder.absolute().glob("*.py") if file.name[0] != "_")
    if not files:
        raise UsageError(f"There is no source in {folder}: it has no *.py file.")
    return files


def _registered(folders: list[Path]) -> list[Path]:
    register(folders)
    return folders


Probes = Annotated[
    list[Path],
    typer.Option(
        metavar="FOLDER",
        is_eager=True,
        callback=_registered,
        help="Include the sources in this folder (may be repeated).",
    ),
]
