"""Call sites: which line of the user's code drew from a source, how often, and through which
library.
"""

import contextlib
import os
import sys
import sysconfig
import threading
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Tuple

from detaudit_probes import notebooks
from detaudit_probes.protocol import Draw

MOST_SITES = 200
DEEPEST = 200  # frames searched for one draw
SHOWN = 12  # frames kept of the first stack
#: The file of a function of the script that cloudpickle has sent to a worker of joblib or loky.
DYNAMIC = "<dynamic-code>"
AUTOGRAPH = "tensorflow/python/autograph/"
#: The files in which a framework traces a function: what Python draws there is drawn once.
TRACING = (
    "tensorflow/python/framework/func_graph.py",
    "jax/_src/interpreters/partial_eval.py",
)


class Place(NamedTuple):
    """A line of the user's own code."""

    file: str
    line: int
    function: str


class Sites:
    """``root`` is the folder of the user's code; installed packages and this package do not belong
    to it.

    ``seeded`` is whether the script has seeded the source under study so far: later draws are as
    without the hook. ``drawn`` counts the draws before that from what such a seed pins.
    """

    def __init__(self, root: str) -> None:
        self._root = os.path.join(os.path.realpath(root), "")
        paths = sysconfig.get_paths()
        self._installed = tuple(
            os.path.join(os.path.realpath(paths[name]), "")
            for name in ("stdlib", "platstdlib", "purelib", "platlib")
            if name in paths
        )
        self._standard = os.path.join(os.path.dirname(os.path.abspath(os.__file__)), "")
        self._ours = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "")
        self._known: Dict[str, bool] = {}
        self._found: Dict[Place, Draw] = {}
        self.seeded = False
        self.drawn = 0
        self._ignored = threading.local()
        #: Files of generated code: the line that each of their lines was made from.
        self.generated: Dict[str, Dict[int, Place]] = {}

    def note(self, makers: bool = False, private: bool = False) -> None:
        """Count one draw for the innermost line of the user's code that led to it.

        ``makers``: also count it for the lines outside of it, as long as they are in an
        ``__init__``. ``private``: no seed that the script sets affects it.
        """
        if getattr(self._ignored, "now", False):
            return
        frame: Optional[Any] = sys._getframe(1)
        direct, stack = True, []  # type: bool, List[str]
        for _ in range(DEEPEST):
            if frame is None:
                return
            place = self._place(frame)
            name = place.file
            if self.is_users(name):
                self.drawn += not (private or self.seeded)
                self._count(place, frame, direct, stack, self.seeded and not private)
                if not makers or frame.f_code.co_name != "__init__":
                    return
            if _imports(frame):
                return
            if name.endswith("traceback_utils.py"):
                # The wrapper that Keras and TensorFlow put around every call: not informative
                direct = False
            elif AUTOGRAPH in name.replace(os.sep, "/"):
                pass  # converted code calls everything through it
            elif frame.f_globals.get("__name__") != "random" and not os.path.abspath(
                name
            ).startswith(self._ours):
                direct = False
                stack.append(
                    "%s:%d in %s"
                    % ("/".join(name.split(os.sep)[-2:]), frame.f_lineno, frame.f_code.co_name)
                )
            frame = frame.f_back

    @contextlib.contextmanager
    def ignored(self) -> Iterator[None]:
        """Do not count what this thread draws meanwhile."""
        self._ignored.now = True
        try:
            yield
        finally:
            self._ignored.now = False

    def innermost(self) -> Optional[Place]:
        """Return the innermost line of the user's code that led here."""
        frame = self._nearest()
        return None if frame is None or _imports(frame) else _real(self._place(frame))

    def importing(self) -> bool:
        """Whether an installed module is being imported and causes this."""
        frame = self._nearest()
        return frame is not None and _imports(frame)

    def _nearest(self) -> Optional[Any]:
        """Return the innermost frame that is the user's, or that imports."""
        frame: Optional[Any] = sys._getframe(2)
        while (
            frame is not None and not _imports(frame) and not self.is_users(self._place(frame).file)
        ):
            frame = frame.f_back
        return frame

    def _place(self, frame: Any) -> Place:
        """Return the line at which a frame is, of the file that the user has written."""
        code = frame.f_code
        name = str(code.co_filename)
        if name == DYNAMIC:
            name = str(frame.f_globals.get("__file__", name))
        here = Place(name, frame.f_lineno, code.co_name)
        return self.generated[name].get(frame.f_lineno, here) if name in self.generated else here

    def led_here(self) -> bool:
        """Whether the user's code is the caller, with only the standard library in between."""
        frame: Optional[Any] = sys._getframe(1)
        while frame is not None:
            name = os.path.abspath(self._place(frame).file)
            if self.is_users(name):
                return True
            if not name.startswith((self._ours, self._standard)) or "site-packages" in name:
                return False
            frame = frame.f_back
        return False

    def is_users(self, name: str) -> bool:
        known = self._known.get(name)
        if known is None:
            path = os.path.realpath(name)
            ours = os.path.abspath(name).startswith(self._ours)
            installed = path.startswith(self._installed) or "site-packages" in path
            known = (
                not ours
                and not installed
                and path.startswith(self._root)
                and os.path.exists(notebooks.parts(path)[0])
            )
            self._known[name] = known
        return known

    def _count(
        self, place: Place, frame: Any, direct: bool, stack: List[str], seeded: bool
    ) -> None:
        place = _real(place)
        found = self._found.get(place)
        if found is None:
            if len(self._found) >= MOST_SITES:
                return
            found = Draw(
                place.file,
                place.line,
                place.function,
                0,
                0,
                direct,
                tuple(stack[-SHOWN:]),
                traced=_is_traced(frame),
            )
        self._found[place] = found._replace(draws=found.draws + 1, seeded=found.seeded + seeded)

    def __len__(self) -> int:
        return len(self._found)

    def forget(self) -> None:
        """Forget the draws so far: in a worker, they are its parent's, or those of imports."""
        self._found.clear()
        self.drawn, self.seeded = 0, False

    def draws(self) -> Tuple[Draw, ...]:
        """Return every line that drew, in the order of its first draw."""
        return tuple(self._found.values())


def _real(place: Place) -> Place:
    return place._replace(file=os.path.realpath(place.file))


def _imports(frame: Any) -> bool:
    """Whether the frame is the import system's: what an installed module does during its import is
    not a line of the user's.
    """
    return frame.f_code.co_filename.startswith("<frozen importlib")


def _is_traced(frame: Optional[Any]) -> bool:
    """Whether the frame runs while a framework traces a function."""
    for _ in range(DEEPEST):
        if frame is None:
            return False
        if frame.f_code.co_filename.replace(os.sep, "/").endswith(TRACING):
            return True
        frame = frame.f_back
    return False
