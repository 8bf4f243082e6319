"""The names of a user's variables in the trace."""

import re
from typing import Any

#: A time or a random number in a model's name: two runs give one variable two names although
#: nothing differs.
STAMP = re.compile(r"\d[\d_.:T-]{4,}\d|[0-9a-f]{8}(?:-?[0-9a-f]{4,})+|(?=[a-f]*\d)[0-9a-f]{8,}")


def path_of(variable: Any) -> str:
    """Return the variable's name in the trace: its path without stamps."""
    return STAMP.sub(
        "#", str(getattr(variable, "path", None) or getattr(variable, "name", "variable"))
    )
