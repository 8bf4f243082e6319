"""What is known about this machine and the environment under test, as one document.

The display uses only the document, so that a saved one looks the same as a fresh one.
"""

import os
from collections.abc import Mapping
from typing import Any

from detaudit.machine import gpu, variables
from detaudit.machine import system as machine


def everything(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``machine`` (with ``gpu``) and ``environment`` as plain JSON values. ``facts`` are
    those that the interpreter under test reported (``hello.json``).
    """
    return {
        "machine": {**machine.describe(), "gpu": gpu.document(gpu.snapshot())},
        "environment": {**facts, "variables": variables.describe(os.environ)},
    }
