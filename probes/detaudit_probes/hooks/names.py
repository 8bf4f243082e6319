"""What a user's variables are called in the trace."""

import re
from typing import Any

#: A time or a random number in a model's name: two runs name one variable in two ways, and nothing
#: differs.
STAMP = re.compile(r"\d[\d_.:T-]{4,}\d|[0-9a-f]{8}(?:-?[0-9a-f]{4,})+|(?=[a-f]*\d)[0-9a-f]{8,}")


def path_of(variable: Any) -> str:
    """What the variable is called in the trace: its path, stamps left out."""
    return STAMP.sub(
        "#", str(getattr(variable, "path", None) or getattr(variable, "name", "variable"))
    )
