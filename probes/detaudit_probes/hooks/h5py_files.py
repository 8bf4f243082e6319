"""The files that a script opens with h5py, whose C library raises no audit event."""

import sys
from typing import Any, Callable


def follow(
    session: Any,
    before: Callable[[Any, str], None] = lambda name, mode: None,
    after: Callable[[Any, Any], None] = lambda name, file: None,
) -> None:
    """Call ``before(name, mode)`` and ``after(name, file)`` around every opening of a file, from
    h5py's import on. Neither may raise.
    """

    def making(original: Any) -> Any:
        def __init__(file: Any, name: Any, *arguments: Any, **named: Any) -> None:
            before(name, str((arguments[0] if arguments else named.get("mode")) or "r"))
            original(file, name, *arguments, **named)
            after(name, file)

        return __init__

    session.after_import("h5py", lambda: session.wrap(sys.modules["h5py"].File, "__init__", making))
