"""The lines of functions that TensorFlow's AutoGraph has converted: what runs is generated code,
and its source map names the user's lines.
"""

import functools
import sys
from typing import Any

from detaudit_probes.hooks.sites import Place, Sites

API = "tensorflow.python.autograph.impl.api"


def follow(session: Any) -> None:
    session.after_import(API, functools.partial(_follow, session))


def _follow(session: Any) -> None:
    def wrapper(given: Any) -> Any:
        def _convert_actual(*arguments: Any, **named: Any) -> Any:
            converted = given(*arguments, **named)
            _note(session.sites, converted)
            return converted

        return _convert_actual

    session.wrap(sys.modules[API], "_convert_actual", wrapper)


def _note(sites: Sites, converted: Any) -> None:
    module = getattr(converted, "ag_module", None)
    lines = getattr(converted, "ag_source_map", None)
    if module is None or lines is None:  # an older TensorFlow
        return
    sites.generated[module.__file__] = {
        place.lineno: Place(origin.loc.filename, origin.loc.lineno, origin.function_name or "")
        for place, origin in lines.items()
    }
