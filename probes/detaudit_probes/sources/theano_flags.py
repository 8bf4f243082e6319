"""Theano's own flags: OpenMP, and ``deterministic``.

``openmp=True`` shares elementwise loops (of ``openmp_elemwise_minsize`` elements or more) and
convolutions among threads that ``OMP_NUM_THREADS`` counts. It is off unless it is asked for, and
Theano takes it back where the compiler has none. ``deterministic=more`` chooses deterministic
algorithms for cuDNN's convolutions and pooling, on a GPU; on a CPU it does nothing. (Theano's
documentation of ``config``.) The directory of compiled functions decides no bits by itself: two
machines whose compilers differ compile other code, and here every scan has a directory of its own.
"""

import os

from detaudit_probes.declare import THEANO, Compare, Link, Setting, Source
from detaudit_probes.given import Unavailable
from detaudit_probes.protocol import own_setting

ID = "theano-flags"

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="Theano's flags",
    breaks="With OpenMP, loops are shared among threads.",
    backends=(THEANO,),
    experiment=Compare(
        models=("mlp",),
        settings=(
            Setting("as it is"),
            Setting("openmp, 2 threads", settings=own_setting(ID, "openmp")),
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
    advice="Leave OpenMP off, as it is.",
)


def start_counting(trial):
    """Set what the setting asks for, before anything is compiled. Raises Unavailable where Theano
    is older.
    """
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
    """1 where the flags are what was asked for: Theano takes OpenMP back where the compiler has
    none.
    """
    import theano

    deterministic = getattr(theano.config, "deterministic", "default") == "more"
    return int(
        (bool(theano.config.openmp), deterministic)
        == (trial.own_setting(ID) == "openmp", trial.own_setting(ID) == "deterministic")
    )
