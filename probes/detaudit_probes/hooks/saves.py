"""What the script saves: ``save`` and ``save_weights`` of Keras, ``save`` and ``savez`` of NumPy,
and h5py files. It counts for files outside of the script's folder; those in its folder are read
when it has ended (:mod:`detaudit_probes.contents`), if it has a sandbox.

The values are taken from the call, because another run may write the same file at the same time;
those of an h5py file, which is written in pieces, are taken from its arrays at the end.
"""

import functools
import importlib
import os
import sys
import tempfile
import weakref
from typing import Any, Callable, Dict, List, Tuple

from detaudit_probes.hooks import h5py_files
from detaudit_probes.hooks.names import STAMP
from detaudit_probes.hooks.recorder import MOST_ALIVE
from detaudit_probes.hooks.values import read
from detaudit_probes.protocol import OUTSIDE


def record(session: Any, recorder: Any) -> None:
    """Start as soon as NumPy and Keras are imported."""
    session.after_import("numpy", lambda: _numpy(session, recorder))
    for name in ("keras", "tf_keras"):
        session.after_import(name, functools.partial(_keras, session, recorder, name))
    _h5py(session, recorder)


def _numpy(session: Any, recorder: Any) -> None:
    import numpy

    def one(arguments: Any, named: Any) -> List[Any]:
        return [arguments[1] if len(arguments) > 1 else named["arr"]]

    def several(arguments: Any, named: Any) -> List[Any]:
        return list(arguments[1:]) + [
            named[key] for key in sorted(named) if key not in ("file", "allow_pickle")
        ]

    _record(session, recorder, numpy, ("save",), one)
    _record(session, recorder, numpy, ("savez", "savez_compressed"), several)


def _keras(session: Any, recorder: Any, name: str) -> None:
    keras = sys.modules[name]
    try:
        saving_api = importlib.import_module("%s.src.saving.saving_api" % name)
    except ImportError:
        return  # before Keras 2.13, or a module of the user's own: h5py's files are observed

    def weights(arguments: Any, named: Any) -> List[Any]:
        model = arguments[0] if arguments else named["model"]
        return [read(one) for one in model.weights]

    def state(arguments: Any, named: Any) -> List[Any]:
        optimizer = getattr(arguments[0] if arguments else named["model"], "optimizer", None)
        variables = getattr(optimizer, "variables", ())
        return weights(arguments, named) + [
            read(one) for one in (variables() if callable(variables) else variables)
        ]

    for owner in (saving_api, getattr(keras, "saving", None), getattr(keras, "models", None)):
        _record(session, recorder, owner, ("save_model",), state, place=1)
    _record(session, recorder, saving_api, ("save_weights",), weights, place=1)


def _h5py(session: Any, recorder: Any) -> None:
    written: Dict[str, Tuple[str, Any]] = {}  # by name: the path and a weak reference to the file

    def opened(name: Any, file: Any) -> None:
        try:
            called = _name(name, session.orders.root) if file.mode != "r" else None
            if called is not None:
                written[called] = os.path.abspath(os.fspath(name)), weakref.ref(file)
        except Exception:  # no error of the script's: the hook must not raise one
            pass

    def at_the_end() -> None:
        for name, (path, reference) in written.items():
            try:
                if not recorder.has_saved(name):  # by Keras
                    recorder.saved(name, _arrays(path, reference()))
            except Exception:  # it no longer exists or contains no arrays
                continue

    h5py_files.follow(session, after=opened)
    recorder.before_the_end.append(at_the_end)


def _arrays(path: str, still_open: Any) -> List[Any]:
    """Return every array of a file, sorted by name."""
    import h5py

    if not still_open:
        with h5py.File(path, "r") as file:
            return _arrays(path, file)
    found: List[Any] = []
    still_open.visititems(
        lambda name, one: found.append(one) if isinstance(one, h5py.Dataset) else None
    )
    large = sum(one.size * one.dtype.itemsize for one in found) > MOST_ALIVE
    return [] if large else [one[()] for one in found if one.dtype.kind not in "OSV"]


def _record(
    session: Any,
    recorder: Any,
    owner: Any,
    names: Any,
    values: Callable[[Any, Any], List[Any]],
    place: int = 0,
) -> None:
    """Record ``values`` of every call; the file is its argument number ``place``."""

    def wrapper(original: Any) -> Any:
        def saving(*arguments: Any, **named: Any) -> Any:
            file = (
                arguments[place]
                if len(arguments) > place
                else named.get("file", named.get("filepath"))
            )
            result = original(*arguments, **named)
            try:
                name = _name(file, session.orders.root)
                if name is not None:
                    recorder.saved(name, values(arguments, named))
            except Exception:  # no error of the script's: the hook must not raise one
                pass
            return result

        return saving

    for name in names:
        session.wrap(owner, name, wrapper)


def _name(file: Any, root: str) -> Any:
    """Return the file's name below the program's folder without stamps; None for a temporary one,
    which has another name in every run.
    """
    if not isinstance(file, (str, os.PathLike)):
        file = getattr(file, "name", None)
    if not isinstance(file, (str, os.PathLike)):
        return None
    path, root = os.path.realpath(str(os.fspath(file))), os.path.realpath(root)
    if path.startswith(os.path.join(root, "")):
        return STAMP.sub("#", os.path.relpath(path, root))
    temporary = os.path.join(os.path.realpath(tempfile.gettempdir()), "")
    if path.startswith(temporary):
        return None
    return os.path.join(OUTSIDE, STAMP.sub("#", os.path.basename(path)))
