"""What a fit is given, as arrays, and what an estimator has learned by it. Nothing is computed: a
value that cannot be read is left out.
"""

import re
from typing import Any, Dict, Iterator, List, Optional, Tuple

from detaudit_probes.contents import leaves
from detaudit_probes.protocol import Leaf
from detaudit_probes.recording import fingerprint

#: Of a decision tree: what a node is. Its other arrays may hold memory that nobody has written.
OF_TREES = (
    "children_left",
    "children_right",
    "feature",
    "threshold",
    "value",
    "impurity",
    "n_node_samples",
)
#: Of a tree of histogram-based boosting.
OF_HISTOGRAMS = ("nodes", "binned_left_cat_bitsets", "raw_left_cat_bitsets")
#: Learned, although their names do not end in an underscore: the trees of histogram-based boosting,
#: the data that a nearest-neighbour model keeps, a support vector machine's probabilities, and the
#: parts of a pipeline.
OTHER_NAMES = ("_predictors", "_fit_X", "_y", "_probA", "_probB", "steps", "transformer_list")
#: The attributes, and the keys of ``cv_results_``, that hold seconds, or that follow from scores.
NO_RESULT = re.compile(r"(?:.*[.])?(?:refit_time_|(?:mean_|std_)?(?:fit|score)_time|rank_test_\w+)")
MOST_LEAVES = 2000  # values of one estimator with a name each; the others are digested together
NUMBERS = "bhilqfd"  # NumPy's letters for the types of arrays that may hold times
MOST_ELEMENTS = 1000  # elements of an array, and entries of a dictionary, that may be times
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
MOST_BYTES = 1 << 30  # of the data of a fit; more is not read
DEEPEST = 12

Values = List[Tuple[str, Any]]


def data_of(arguments: Any, named: Dict[str, Any]) -> Values:
    """Return the arrays that a fit is called with, by position or name; none if not all of its
    arguments can be read as arrays of numbers.
    """
    given = [("argument %d" % place, one) for place, one in enumerate(arguments)]
    found: Values = []
    for name, value in given + sorted(named.items()):
        arrays = _arrays(name, value)
        if arrays is None:
            return []
        found += arrays
    return found if sum(value.nbytes for _, value in found) <= MOST_BYTES else []


def _arrays(name: str, value: Any) -> Optional[Values]:
    import numpy

    if value is None or isinstance(value, (bool, int, float)):
        return []
    if isinstance(value, numpy.ndarray):
        return [(name, value)] if _is_numeric(value) else None
    if hasattr(value, "tocoo"):
        return [(name + part, one) for part, one in _of_sparse(value)]
    if hasattr(value, "iloc") and hasattr(value, "columns"):
        columns = [value.iloc[:, place] for place in range(len(value.columns))]
        if not all(map(_is_numeric, columns)):
            return None
        return [("%s[%d]" % (name, at), one.to_numpy()) for at, one in enumerate(columns)]
    if hasattr(value, "to_numpy"):
        return [(name, value.to_numpy())] if _is_numeric(value) else None
    first = value[0] if isinstance(value, list) and value else None
    while isinstance(first, (list, tuple)) and first:
        first = first[0]
    if isinstance(first, (bool, int, float, numpy.generic)):
        made = numpy.asarray(value)
        return [(name, made)] if _is_numeric(made) else None
    return None


def _of_sparse(matrix: Any) -> Values:
    entries = matrix.tocoo()
    return [(".%s" % part, getattr(entries, part)) for part in ("row", "col", "data")]


def _is_numeric(column: Any) -> bool:
    import numpy

    return isinstance(column.dtype, numpy.dtype) and column.dtype.kind in "biufc"


# What was learned ---------------------------------------------------------------------------------


class Reader:
    """Reads what an ``estimator`` has learned: its attributes that end in an underscore, as
    scikit-learn names them, and those of the estimators inside.

    Single ``numbers`` are kept apart, and so are small arrays in a dictionary, such as the scores
    of a search, and small arrays and texts of somebody else's estimator: they may be times. What it
    had ``before``, such as a duration that the script keeps there, is not learned.
    """

    def __init__(self, estimator: Any, before: Dict[str, Any], room: int) -> None:
        """At most ``room`` single numbers are read; after them, arrays are compared as a whole, and
        single values are left out.
        """
        self._estimator, self._before, self._room = estimator, before, room
        self.numbers: List[Leaf] = []
        self._seen: Dict[int, Any] = {}  # kept alive, so that no id is used twice

    def learned(self) -> Values:
        """Return the values that cannot be times, each with its name; read the ``numbers`` too."""
        found = list(self._values("", self._estimator, False, 0))
        if len(found) <= MOST_LEAVES:
            return found
        rest = [fingerprint.canonical(one) for named in found[MOST_LEAVES:] for one in named]
        return found[:MOST_LEAVES] + [("the rest", fingerprint.sha256(rest))]

    def _values(
        self, name: str, value: Any, measured: bool, deep: int
    ) -> Iterator[Tuple[str, Any]]:
        """Yield the values in ``value``, each with its name. If ``measured``, its arrays and texts
        may be times.
        """
        import numpy

        if NO_RESULT.fullmatch(name):
            return
        if isinstance(value, (bool, int, float, complex, str, numpy.generic)):
            if not (name in self._before and self._before[name] is value):
                yield from self._single(name, value, measured)
        elif isinstance(value, numpy.ma.MaskedArray):
            # Under the mask there may be memory that nobody has written
            yield name + ".mask", numpy.ma.getmaskarray(value)
            yield from self._values(name, value.compressed(), measured, deep + 1)
        elif isinstance(value, numpy.ndarray) and value.dtype.names:
            # Field by field: between two fields there may be memory that nobody has written
            yield from (("%s.%s" % (name, field), value[field]) for field in value.dtype.names)
        elif isinstance(value, numpy.ndarray) and value.dtype.kind != "O":
            may_be_times = measured and value.dtype.char in NUMBERS
            if may_be_times and value.size <= min(MOST_ELEMENTS, self._left()):
                for place, one in enumerate(value.ravel().tolist()):
                    self.numbers.append(leaves.number("%s[%d]" % (name, place), repr(one)))
            elif measured and value.dtype.kind in "mM" and self._left():
                self.numbers.append(leaves.text(name, " ".join(map(str, value.ravel()))))
            else:
                yield name, value
        elif deep < DEEPEST and id(value) not in self._seen:
            self._seen[id(value)] = value
            measured = measured or isinstance(value, dict) or _is_foreign(value)
            for part, one in _parts(value):
                yield from self._values((name + part).lstrip("."), one, measured, deep + 1)

    def _single(self, name: str, value: Any, measured: bool) -> Iterator[Tuple[str, Any]]:
        import numpy

        plain = value.item() if isinstance(value, numpy.generic) else value
        is_number = isinstance(plain, (int, float)) and not isinstance(plain, bool)
        is_text = measured and isinstance(value, (str, numpy.datetime64, numpy.timedelta64))
        if not is_number and not is_text:
            yield name, value
        elif self._left():
            leaf = leaves.number(name, repr(plain)) if is_number else leaves.text(name, str(value))
            self.numbers.append(leaf)

    def _left(self) -> int:
        return self._room - len(self.numbers)


def _is_foreign(value: Any) -> bool:
    return hasattr(value, "get_params") and not type(value).__module__.startswith("sklearn.")


def _parts(value: Any) -> Values:
    """Return the parts of a list, a dictionary, a sparse matrix, a tree or an estimator, each with
    what is added to the name; nothing of other objects.
    """
    import numpy

    if isinstance(value, dict):
        return _parts_of_dict(value)
    if isinstance(value, numpy.ndarray):
        value = value.ravel().tolist()
    if isinstance(value, (list, tuple)):
        return [("[%d]" % place, one) for place, one in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return [(".elements", _bytes("\n".join(sorted(map(_without_address, value)))))]
    if hasattr(value, "iloc") and hasattr(value, "to_numpy"):
        return _arrays("", value) or []
    if hasattr(value, "tocoo"):
        return _of_sparse(value)
    for names, needed in ((OF_TREES, OF_TREES), (OF_HISTOGRAMS, OF_HISTOGRAMS[:1])):
        if all(hasattr(value, one) for one in needed):
            return [(".%s" % one, getattr(value, one)) for one in names if hasattr(value, one)]
    # A part of an estimator that is none itself: scikit-learn's, or of a class of the script's own
    own = type(value).__module__ == "__main__" or type(value).__module__.startswith("sklearn.")
    whole = own and not hasattr(value, "get_params")
    return [
        (".%s" % name, one)
        for name, one in sorted(getattr(value, "__dict__", {}).items())
        if (name.endswith("_") and not name.startswith("_"))
        or name in OTHER_NAMES
        or (whole and not name.startswith("_"))
    ]


def _parts_of_dict(value: Dict[Any, Any]) -> Values:
    """The keys of a vocabulary are learned, and may be private: they are no names."""
    import numpy

    items = sorted(
        ((_without_address(key), one) for key, one in value.items()), key=lambda item: item[0]
    )
    if all(isinstance(one, (bool, int, float, str, numpy.generic)) for _, one in items):
        values = [one.item() if isinstance(one, numpy.generic) else one for _, one in items]
        few = len(values) <= MOST_ELEMENTS
        keys = _bytes("\n".join(key for key, _ in items))
        return [(".keys", keys), (".values", values if few else _bytes(repr(values)))]
    return [(".%s" % key, one) for key, one in items]


def _without_address(value: Any) -> str:
    """Return a value as text, without the address that Python prints of an object."""
    return ADDRESS.sub("", str(value))


def _bytes(text: str) -> Any:
    import numpy

    return numpy.frombuffer(text.encode("utf-8", "surrogatepass"), dtype="u1")
