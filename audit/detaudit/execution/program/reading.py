"""Reads what a run has printed and saved, in the interpreter under audit, as soon as it has ended:
later, its files are gone (:mod:`detaudit_probes.contents`).
"""

import os
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import detaudit_probes
from detaudit_probes import codec, protocol

from detaudit.core.files import write_json
from detaudit.execution.processes import die_with_parent, end_group

SECONDS = 600.0
LOG = "reader"  # in a trial's folder: what the reading process has printed
GUEST = Path(detaudit_probes.__file__).parent


class Reading:
    """A process that reads ``files``, by their names, for the trial with this folder."""

    def __init__(
        self, python: str, environment: Mapping[str, str], folder: Path, files: Mapping[str, Path]
    ) -> None:
        asked = [protocol.ToRead(name, str(path)) for name, path in files.items()]
        request = codec.encode(protocol.ContentsRequest(tuple(asked)))
        write_json(folder / protocol.CONTENTS_REQUEST, request)
        with open(folder / LOG, "wb") as log:
            self._process = subprocess.Popen(
                [python, "-m", "detaudit_probes.contents", str(folder)],
                # ``-m`` puts it first on the path, and the user's own may hold any module
                cwd=folder,
                env=_variables(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        self._late = time.monotonic() + SECONDS

    def ended(self) -> bool:
        """Whether it has ended. It is killed if that takes too long."""
        if time.monotonic() > self._late:
            self.kill()
        return self._process.poll() is not None

    def kill(self) -> None:
        end_group(self._process.pid)
        self._process.wait()


def _variables(environment: Mapping[str, str]) -> dict[str, str]:
    path = [str(GUEST.parent), *filter(None, [environment.get("PYTHONPATH")])]
    own = {"PYTHONPATH": os.pathsep.join(path), "PYTHONDONTWRITEBYTECODE": "1"}
    return {**environment, **own}
