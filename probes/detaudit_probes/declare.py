"""The shapes of a source's declaration: data, and at most a few small functions beside it.

A module under ``sources/`` holds a ``SOURCE`` of the type below and may define any of these
functions. The engine reads ``SOURCE``; only the guest calls the functions, each with a
:class:`~detaudit_probes.trials.trial.Trial`:

``pin(trial)``          hold the source, in the child, before anything is built
``provoke(trial)``      make the source as loose as another process or machine could
``watch(trial)``        begin to count, in every trial, before anything is provoked or pinned; it
                        changes no bits
``see(trial)``          how often the source acted, as a count (0: it was not exercised); without
                        this function, what was left in ``trial.counts`` under the source's id
``available(trial)``    a reason why the source cannot be tried here, or None
``model(trial)``        a tiny model of its own: ``(model, x, y)``
``feed(trial, x, y)``   an input pipeline of its own, given to ``fit`` in place of the arrays
``train(trial)``        a training procedure of its own, in place of one ``fit``

In a user's own script (``detaudit run``) these are called, with a
:class:`~detaudit_probes.hooks.session.Session`:

``hold(session, pin)``      hold the source from outside, before the script's first line or when a
                            module is imported
``touch(session)``          begin to count how often the script meets the source; it changes no bits
``touched(session, id)``    that count, at the end; without this function, what was counted by
                            ``session.drew``
``spy(session)``            note the call sites as well, in a trial that is not judged, where
                            ``touch`` is too cheap to
``vary(session)``           give the source another value, as another machine could
"""

from typing import Dict, Mapping, NamedTuple, Optional, Tuple, Union

from detaudit_probes.protocol import NO_SETTINGS, Settings

START = "start"  # takes effect when the interpreter starts: selects the nest
IMPORT = "import"  # takes effect when the framework is imported: selects the nest
CHILD = "child"  # takes effect later: applied in the child

#: Keras 3's backends.
EVERY_BACKEND = ("tensorflow", "jax", "torch")
#: Keras 2 before it was TensorFlow's own: a package with backends, under which all draws from
#: NumPy's generator.
THEANO = "theano"
OLD_KERAS = (THEANO, "tensorflow1")
#: Keras 2 as ``tf.keras``: inside TensorFlow 2.3 to 2.6; and beside it as the package ``keras`` 2.7
#: to 2.15, and as ``tf_keras`` later.
TF_KERAS = ("tensorflow2", "tf_keras")
#: The package of Keras 2 that may lie beside another Keras.
KERAS_2_BESIDE = "tf_keras"
#: What Keras is imported as; TensorFlow 2.0 to 2.6 contain it.
KERAS_MODULES = ("keras", "tensorflow.keras", KERAS_2_BESIDE)
#: Each is an adapter in ``backends/``.
BACKENDS = EVERY_BACKEND + OLD_KERAS + TF_KERAS
#: Those that bear the name that Keras and pip give them; the other adapters are for TensorFlow.
NOT_TENSORFLOW = ("jax", "torch", THEANO)


def under_keras_2(tensorflow: Tuple[int, int]) -> str:
    """The adapter for Keras 2 on this release of TensorFlow."""
    return (
        "tensorflow1"
        if tensorflow < (2, 0)
        else "tensorflow2"
        if tensorflow < (2, 7)
        else "tf_keras"
    )


def keras_2_is_chosen(variables: Mapping[str, str]) -> bool:
    """Whether TensorFlow 2.16 and newer take ``tf_keras`` for ``tf.keras``.
    (``tensorflow/__init__.py``.)
    """
    return variables.get("TF_USE_LEGACY_KERAS") in ("true", "True", "1")


class Pin(NamedTuple):
    """Something that holds sources so that they cannot make runs differ.

    ``holds`` lists *every* source that it holds: loosing one of them takes the pin away. ``lines``
    are what a user pastes, per backend (``"*"``: on every backend); an environment pin is pasted as
    ``environment``. ``settings`` of a training may be the pin.
    """

    id: str
    holds: Tuple[str, ...]
    takes_effect: str = CHILD
    environment: Dict[str, str] = {}
    settings: Settings = NO_SETTINGS
    lines: Dict[str, Tuple[str, ...]] = {}
    note: str = ""


class Loosen(NamedTuple):
    """The experiment of a source that may part two runs of one condition: loose pairs against
    pinned pairs.

    ``loosens`` are the ids that are let loose (by default the source itself). ``models`` are tried
    one by one. ``race`` says that parting is a matter of timing, so that agreement and blame need
    counts. ``environment`` values may hold ``{draw}``, which differs in every trial of the
    condition. ``pins`` are the pins to be tried, the advised one first; an empty tuple means the
    source's own.
    """

    models: Tuple[str, ...]
    loosens: Tuple[str, ...] = ()
    feed: bool = False
    procedure: bool = False
    race: bool = False
    environment: Dict[str, str] = {}
    settings: Settings = NO_SETTINGS
    pins: Tuple[str, ...] = ()


class Needs(NamedTuple):
    """What must be there before a source, or one of its settings, can be tried.

    ``cpu_flags`` are spelled as in ``/proc/cpuinfo``. A source that needs a GPU is tried on it.
    """

    gpus: int = 0
    packages: Tuple[str, ...] = ()
    cpu_flags: Tuple[str, ...] = ()
    cores: int = 1


class Setting(NamedTuple):
    """One of several values of a source that a user may legitimately choose.

    ``models`` are those on which it means something (empty: all of the source's). ``device`` is
    ``cpu``, ``gpu`` (the first) or ``gpu:N``; None leaves the source's own.
    """

    name: str
    environment: Dict[str, Optional[str]] = {}
    settings: Settings = NO_SETTINGS
    pins: Tuple[str, ...] = ()
    without: Tuple[str, ...] = ()
    models: Tuple[str, ...] = ()
    device: Optional[str] = None
    needs: Needs = Needs()


class Compare(NamedTuple):
    """The experiment of a source with settings: each repeats itself, or not; they agree, or not.

    ``recorded`` false says that the runs are unrecorded: initial and final weights alone are
    compared.
    """

    models: Tuple[str, ...]
    settings: Tuple[Setting, ...]
    feed: bool = False
    procedure: bool = False
    race: bool = False
    recorded: bool = True
    pins: Tuple[str, ...] = ()


class Edit(NamedTuple):
    """A change of the user's own lines that holds a source; it is tried on a copy before it is
    told.

    ``kind`` is ``insert`` (``lines`` behind the imports of one of the modules ``after``, or at the
    top where that is empty), ``wrap`` (the call becomes ``form``, with ``{call}`` in it, and
    ``{owner}`` where it is a method's), ``add`` (``form`` is one more argument, or stands for the
    first where it is no keyword), ``set`` (the argument ``form`` gets ``value``; None takes it
    away), ``first`` (the first argument is ``value``) or ``rename`` (the function is called
    ``form``; one that ends with a bracket stands for the arguments too, and with ``{arguments}`` in
    it for the whole call). All but the first change calls of a function whose last name is among
    ``calls`` (any, where that is empty), at the lines that were seen to draw. ``order`` sorts the
    sets, and replaces ``hash``, at lines that were seen to let the hash seed in.
    """

    kind: str
    lines: Tuple[str, ...] = ()
    after: Tuple[str, ...] = ()
    calls: Tuple[str, ...] = ()
    form: str = ""
    value: Optional[str] = None


class InScript(NamedTuple):
    """How a source is tried in a user's own script.

    ``pin`` is applied from outside. ``told`` false says that nothing tells whether a script met the
    source, so that it is always tried. ``sites`` false says that no call site can be watched.
    """

    pin: str
    race: bool = False
    told: bool = True
    sites: bool = True
    direct: bool = False
    edits: Tuple[Edit, ...] = ()


class Link(NamedTuple):
    title: str
    url: str


class Source(NamedTuple):
    """All that the project knows about one thing that can make two runs differ.

    ``experiment`` is that of a scan, None where only a user's own script can have the source;
    ``per_backend`` has it for backends on which it is another one, or none (the source's pins are
    there all the same). ``script`` says how it is tried in a script, None where it is not.
    """

    id: str
    family: str
    title: str
    breaks: str
    experiment: Union[Loosen, Compare, None]
    pins: Tuple[Pin, ...] = ()
    backends: Tuple[str, ...] = ("tensorflow",)
    per_backend: Dict[str, Union[Loosen, Compare, None]] = {}
    needs: Needs = Needs()
    links: Tuple[Link, ...] = ()
    quick: bool = False
    advice: str = ""
    note: str = ""
    script: Optional[InScript] = None


#: Families in the order in which they are shown and tried.
FAMILIES = ("generators", "order", "parallel arithmetic", "kernels and compilers", "use", "gpu")
