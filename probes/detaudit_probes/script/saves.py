"""What the script saves: ``save`` and ``save_weights`` of Keras, and ``save`` and ``savez`` of NumPy.

Taken from what is handed to the call, not from the file, for archives have times in them. Whether two runs have saved
the same is told beside the verdict and does not decide it: a script may well save what it has timed.
"""
import os
import tempfile
from typing import Any, Callable, List

from detaudit_probes.script.recorder import STAMP
from detaudit_probes.script.values import read


def watch(session: Any, recorder: Any) -> None:
    """From the moment that NumPy and Keras are there."""
    session.after_import("numpy", lambda: _numpy(session, recorder))
    session.after_import("keras", lambda: _keras(session, recorder))


def _numpy(session: Any, recorder: Any) -> None:
    import numpy

    def one(arguments: Any, named: Any) -> List[Any]:
        return [arguments[1] if len(arguments) > 1 else named["arr"]]

    def several(arguments: Any, named: Any) -> List[Any]:
        return list(arguments[1:]) + [named[key] for key in sorted(named) if key not in ("file", "allow_pickle")]

    _tell(session, recorder, numpy, ("save",), one)
    _tell(session, recorder, numpy, ("savez", "savez_compressed"), several)


def _keras(session: Any, recorder: Any) -> None:
    import keras

    if not getattr(keras, "__version__", "").startswith("3."):
        return
    from keras.src.saving import saving_api

    def weights(arguments: Any, named: Any) -> List[Any]:
        model = arguments[0] if arguments else named["model"]
        return [read(one) for one in model.weights]

    def state(arguments: Any, named: Any) -> List[Any]:
        optimizer = getattr(arguments[0] if arguments else named["model"], "optimizer", None)
        return weights(arguments, named) + [read(one) for one in (optimizer.variables if optimizer else ())]

    for owner in (saving_api, keras.saving, keras.models):
        _tell(session, recorder, owner, ("save_model",), state, place=1)
    _tell(session, recorder, saving_api, ("save_weights",), weights, place=1)


def _tell(session: Any, recorder: Any, owner: Any, names: Any, values: Callable[[Any, Any], List[Any]],
          place: int = 0) -> None:
    """Note ``values`` of every call; the file is its argument number ``place``."""

    def telling(given: Any) -> Any:
        def saving(*arguments: Any, **named: Any) -> Any:
            file = arguments[place] if len(arguments) > place else named.get("file", named.get("filepath"))
            result = given(*arguments, **named)
            try:
                name = _name(file, session.request.options["root"])
                if name is not None:
                    recorder.saved(name, values(arguments, named))
            except Exception:  # the script has saved it without trouble: it is to have none from us
                pass
            return result

        return saving

    for name in names:
        session.wrap(owner, name, telling)


def _name(file: Any, root: str) -> Any:
    """What the file is called below the program's folder, stamps left out; None for one that has no name to last.

    Temporary files have other names in every run.
    """
    if not isinstance(file, (str, os.PathLike)):
        file = getattr(file, "name", None)
    if not isinstance(file, (str, os.PathLike)):
        return None
    path, root = os.path.realpath(str(os.fspath(file))), os.path.realpath(root)
    if path.startswith(os.path.join(root, "")):
        return STAMP.sub("#", os.path.relpath(path, root))
    temporary = os.path.join(os.path.realpath(tempfile.gettempdir()), "")
    return None if path.startswith(temporary) else STAMP.sub("#", os.path.basename(path))
