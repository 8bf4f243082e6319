"""Theano's own flags: OpenMP, and ``deterministic``.

``openmp=True`` splits elementwise loops (of ``openmp_elemwise_minsize`` elements or more) and
convolutions over ``OMP_NUM_THREADS`` threads. It is off by default, and Theano disables it if the
compiler has no OpenMP. ``deterministic=more`` selects deterministic algorithms for cuDNN's
convolutions and pooling on a GPU; on a CPU it does nothing. (Theano's documentation of ``config``.)
The folder of compiled functions does not affect the bits by itself: two machines with different
compilers compile different code, and here every scan has its own folder.
"""

import os

from detaudit_probes.declare import Compare, Link, Setting, Source
from detaudit_probes.given import Unavailable
from detaudit_probes.protocol import own_setting

ID = "theano-flags"

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="Theano's flags",
    breaks="With OpenMP, loops are split over several threads.",
    backends=("theano",),
    experiment=Compare(
        models=("mlp",),
        settings=(
            Setting("default"),
            Setting("OpenMP, 2 threads", settings=own_setting(ID, "openmp")),
            Setting("deterministic=more", settings=own_setting(ID, "deterministic")),
        ),
        race=True,
    ),
    links=(
        Link(
            "Theano: config.deterministic and config.openmp",
            "https://theano-pymc.readthedocs.io/en/latest/library/config.html",
        ),
    ),
    advice="Leave OpenMP off, as it is by default.",
)


def start_counting(trial):
    """Apply the setting before anything is compiled. Raises Unavailable if Theano is too old."""
    import theano

    if trial.own_setting(ID) == "openmp":
        os.environ["OMP_NUM_THREADS"] = "2"
        theano.config.openmp = True
        theano.config.openmp_elemwise_minsize = 0
    elif trial.own_setting(ID) == "deterministic":
        if not hasattr(theano.config, "deterministic"):
            raise Unavailable("Theano has no flag deterministic before 1.0")
        theano.config.deterministic = "more"


def count_uses(trial):
    """Return 1 if the flags have the requested values: Theano disables OpenMP if the compiler has
    none.
    """
    import theano

    deterministic = getattr(theano.config, "deterministic", "default") == "more"
    return int(
        (bool(theano.config.openmp), deterministic)
        == (trial.own_setting(ID) == "openmp", trial.own_setting(ID) == "deterministic")
    )
