"""What is known of this machine and of the environment under test, as one document, and how it is
shown.

What is shown is drawn from the document alone, so that a saved one looks the same as a fresh one.
"""

import os
from collections.abc import Mapping
from typing import Any

from detaudit.machine import gpu, variables
from detaudit.machine import system as machine


def everything(facts: Mapping[str, Any]) -> dict[str, Any]:
    """``machine`` (with ``gpu``) and ``environment`` as plain JSON values.

    ``facts`` is what the interpreter under test said of itself (``hello.json``).
    """
    return {
        "machine": {**machine.describe(), "gpu": gpu.document(gpu.snapshot())},
        "environment": {**facts, "variables": variables.describe(os.environ)},
    }
