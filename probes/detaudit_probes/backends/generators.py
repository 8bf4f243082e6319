"""The generators of Python and NumPy, together with those of a backend."""

import random
from typing import Any, List, Tuple

State = Tuple[str, str]  # (name, the state as text)


def generator_states(backend: Any) -> List[State]:
    """Return (name, state) of every generator that a seed can pin."""
    import numpy

    return states_without_backend(numpy) + list(backend.generator_states())


def states_without_backend(numpy: Any) -> List[State]:
    """Return the state of Python's ``random``, and of NumPy's global generator if ``numpy`` is
    imported (None: it is not).
    """
    states = [("random", repr(random.getstate()))]
    if numpy is not None and hasattr(numpy, "random"):
        legacy = numpy.random.get_state()
        states.append(("numpy", repr((legacy[1].tolist(), legacy[2:]))))
    return states
