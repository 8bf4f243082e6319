"""Reads what a run has printed and saved, in the interpreter under audit, as soon as it has ended:
later, its files are gone (:mod:`detaudit_probes.contents`).
"""

import os
import subprocess
import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path

import detaudit_probes
from detaudit_probes import codec, protocol

from detaudit.core.files import write_json

MOST = 200  # files of one run that are read
SECONDS = 600.0
SAID = "reader"  # in a trial's folder: what the reading process has printed
GUEST = Path(detaudit_probes.__file__).parent


class Reading:
    """A process that reads ``files``, by their names, for the trial with this folder."""

    def __init__(
        self, python: str, environment: Mapping[str, str], folder: Path, files: Mapping[str, Path]
    ) -> None:
        asked = [protocol.ToRead(name, str(path)) for name, path in islice(files.items(), MOST)]
        request = codec.encode(protocol.ContentsRequest(tuple(asked)))
        write_json(folder / protocol.CONTENTS_REQUEST, request)
        with open(folder / SAID, "wb") as said:
            self._process = subprocess.Popen(
                [python, "-m", "detaudit_probes.contents", str(folder)],
                # ``-m`` puts it first on the path, and the user's own may hold any module
                cwd=folder,
                env=_variables(environment),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
        self._late = time.monotonic() + SECONDS

    def ended(self) -> bool:
        """Whether it has ended. It is killed if that takes too long."""
        if time.monotonic() > self._late:
            self.kill()
        return self._process.poll() is not None

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    path = [str(GUEST.parent), *filter(None, [environment.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**environment, **own}
