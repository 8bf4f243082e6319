"""The types of a source's declaration: data, with at most a few small functions beside it.

A module under ``sources/`` has a ``SOURCE`` of the type below and may define any of these
functions. The engine reads ``SOURCE``; only the guest calls the functions, each with a
:class:`~detaudit_probes.trials.trial.Trial`:

``pin(trial)``             pin the source, in the child, before anything is built
``provoke(trial)``         make the source vary as much as another process or machine could
``start_counting(trial)``  start to count, in every trial, before anything is provoked or pinned;
                           it changes no bits
``count_uses(trial)``      how often the source was used, as a count (0: it was not exercised);
                           without this function, the count in ``trial.counts`` under the source's
                           id
``available(trial)``       the reason why the source cannot be tried here, or None
``model(trial)``           a tiny model of its own: ``(model, x, y)``
``feed(trial, x, y)``      an input pipeline of its own, passed to ``fit`` in place of the arrays
``train(trial)``           a training procedure of its own, in place of one ``fit``

In a user's own script (``detaudit run``) these are called, with a
:class:`~detaudit_probes.hooks.session.Session`:

``pin_script(session, pin)``  pin the source from outside, before the script's first line or when a
                              module is imported
``touch(session)``            start to count how often the script uses the source; it changes no
                              bits
``touched(session, id)``      that count, at the end; without this function, the count made by
                              ``session.drew``
``spy(session)``              record the call sites as well, in a trial that is not judged, if
                              ``touch`` is too cheap for that
``vary(session)``             give the source another value, as another machine could
"""

from typing import Dict, Mapping, NamedTuple, Optional, Tuple, Union

from detaudit_probes.protocol import NO_SETTINGS, Settings

START = "start"  # takes effect when the interpreter starts: selects the nest
IMPORT = "import"  # takes effect when the framework is imported: selects the nest
CHILD = "child"  # takes effect later: applied in the child

KERAS_3 = "Keras 3"
#: Keras 2 before it became part of TensorFlow: a package with backends, on which everything draws
#: from NumPy's generator.
KERAS_WITH_BACKENDS = "Keras 2 with backends"
#: Keras 2 as ``tf.keras``: part of TensorFlow 2.3 to 2.6, then the separate package ``keras`` 2.7
#: to 2.15, and ``tf_keras`` later.
KERAS_OF_TENSORFLOW = "Keras 2 as tf.keras"
#: The package of Keras 2 that may be installed beside another Keras.
KERAS_2_BESIDE = "tf_keras"
#: The names that Keras is imported under; TensorFlow 2.0 to 2.6 contain it.
KERAS_MODULES = ("keras", "tensorflow.keras", KERAS_2_BESIDE)


class Backend(NamedTuple):
    """What the project knows about a backend, beside the functions of its adapter.

    ``title`` is the framework in reports, ``keras_name`` the backend's name in ``KERAS_BACKEND``,
    and ``named`` whether users ask for it by its id; other adapters follow from what is installed.
    ``keras`` is its generation. ``distributions`` contain the framework, the usual one first;
    ``installs`` are the packages that it needs, and ``extra`` says whether they are an extra of
    detaudit's own. ``settings`` are those of the base condition, ``models`` the tiny models that
    can be trained on it (empty: all).
    """

    id: str
    title: str
    keras_name: str
    keras: str
    distributions: Tuple[str, ...]
    installs: Tuple[str, ...]
    named: bool = True
    extra: bool = False
    settings: Settings = NO_SETTINGS
    models: Tuple[str, ...] = ()


def under_keras_2(tensorflow: Tuple[int, int]) -> str:
    """Return the adapter for Keras 2 on this release of TensorFlow."""
    return (
        "tensorflow1"
        if tensorflow < (2, 0)
        else "tensorflow2"
        if tensorflow < (2, 7)
        else "tf_keras"
    )


def keras_2_is_chosen(variables: Mapping[str, str]) -> bool:
    """Whether TensorFlow 2.16 and newer use ``tf_keras`` as ``tf.keras``.
    (``tensorflow/__init__.py``.)
    """
    return variables.get("TF_USE_LEGACY_KERAS") in ("true", "True", "1")


class Edit(NamedTuple):
    """A change of the user's own lines that pins a source; it is tried on a copy before it is
    reported.

    ``kind`` is one of these:

    * ``insert``: insert ``lines`` after the imports of one of the modules ``after``, or at the top
      if that is empty
    * ``wrap``: replace the call with ``form``, which contains ``{call}``, and ``{owner}`` for a
      method
    * ``add``: add the argument ``form``, or put it in place of the first argument if it is not a
      keyword
    * ``set``: give the argument ``form`` the value ``value``; None removes it
    * ``give``: the same, and add the argument to a call without it
    * ``attribute``: give the attribute ``form`` of an argument the value ``value`` where it is set
    * ``first``: make ``value`` the first argument
    * ``rename``: call ``form`` instead; a ``form`` that ends with a bracket replaces the arguments
      too, and one that contains ``{arguments}`` replaces the whole call
    * ``seed``: write a constant in place of a seed that is made from the calls
    * ``stream``: the same, and let a seeded generator answer the other calls
    * ``generator``: give each generator that the call makes a seed of its own
    * ``order``: sort the sets, and replace ``hash``, in lines that depend on the hash seed
    * ``ordered set``: put dictionaries in place of the sets that the lines make or use
    * ``numbers``: replace ``id(x)`` with a number per object
    * ``rounds``: end a loop after as many rounds as a run made, instead of a time limit

    All but ``insert`` change lines that were observed to draw; where they change calls, those of
    functions whose last name is among ``calls`` (any function if that is empty).
    """

    kind: str
    lines: Tuple[str, ...] = ()
    after: Tuple[str, ...] = ()
    calls: Tuple[str, ...] = ()
    form: str = ""
    value: Optional[str] = None


class Pin(NamedTuple):
    """A way to fix sources so that they cannot make runs differ.

    ``sources`` lists *every* source that it pins: unpinning one of them removes the pin. ``lines``
    are what a user pastes, per backend (``"*"``: on every backend); a pin by environment variables
    is pasted as ``environment``. ``settings`` of a training may be the pin. ``in_base`` is the
    pin's place in the base condition, 0 if it is no part of it; ``in_gpu_base``, the same for what
    a training on a GPU adds. Each of ``edits`` pins all ``sources`` of a script at once;
    ``variables`` do so on a backend (``"*"``: on any other, or without one) if they are set before
    the script starts. A pin that
    ``holds_time`` makes two runs read the same time, one that ``holds_ids`` lets them make equal
    ids.
    """

    id: str
    sources: Tuple[str, ...]
    takes_effect: str = CHILD
    environment: Dict[str, str] = {}
    settings: Settings = NO_SETTINGS
    lines: Dict[str, Tuple[str, ...]] = {}
    note: str = ""
    in_base: int = 0
    in_gpu_base: int = 0
    holds_time: bool = False
    holds_ids: bool = False
    edits: Tuple[Edit, ...] = ()
    variables: Dict[str, Tuple[Tuple[str, str], ...]] = {}


class Unpin(NamedTuple):
    """The experiment of a source that may make two runs of one condition differ: unpinned pairs
    against pinned pairs.

    ``unpins`` are the ids that are unpinned (by default the source itself). ``models`` are tried
    one by one. If ``race`` is true, whether runs differ is a matter of timing, so matches and
    causes need counts. ``environment`` values may contain ``{draw}``, which differs in every trial
    of the condition. ``pins`` are the pins to try, the recommended one first; an empty tuple means
    the source's own.
    """

    models: Tuple[str, ...]
    unpins: Tuple[str, ...] = ()
    feed: bool = False
    procedure: bool = False
    race: bool = False
    environment: Dict[str, str] = {}
    settings: Settings = NO_SETTINGS
    pins: Tuple[str, ...] = ()


class Needs(NamedTuple):
    """What a source, or one of its settings, requires before it can be tried.

    ``cpu_flags`` are spelled as in ``/proc/cpuinfo``. A source that needs a GPU is tried on the
    GPU.
    """

    gpus: int = 0
    packages: Tuple[str, ...] = ()
    cpu_flags: Tuple[str, ...] = ()
    cores: int = 1


class Setting(NamedTuple):
    """One of several values of a source that a user may legitimately choose.

    ``models`` are those to which it applies (empty: all of the source's). ``device`` is ``cpu``,
    ``gpu`` (the first) or ``gpu:N``; None means the source's own.
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
    """The experiment of a source with settings: do runs match within each setting and between
    settings?

    If ``recorded`` is false, the runs are unrecorded: only initial and final weights are compared.
    """

    models: Tuple[str, ...]
    settings: Tuple[Setting, ...]
    feed: bool = False
    procedure: bool = False
    race: bool = False
    recorded: bool = True
    pins: Tuple[str, ...] = ()


class InScript(NamedTuple):
    """How a source is tried in a user's own script.

    ``pin`` is applied from outside. Pins that are cheap and specific have a low ``rank``: if two of
    them work, the one with the lower is reported. A pin that ``may_fail`` may make a script fail:
    then it is left out. If ``counted`` is false, it cannot be detected whether a script uses the
    source, so the source is always tried. If ``sites`` is false, no call site can be recorded.
    ``reaches`` are sources that it pins too in a process that imports their library after it.
    ``answers`` is a pin of what a function answers to the lines in the source's own setting.
    ``if_lengths_differ`` is the source to name instead if runs make unequal numbers of steps.
    ``at_start``: it acts once, when the process starts, so processes that are forked later share
    what it did. ``seeds_workers``: its seed also gives each worker of its library's a seed of its
    own.
    """

    pin: str
    rank: int
    may_fail: bool = False
    race: bool = False
    counted: bool = True
    at_start: bool = False
    sites: bool = True
    direct: bool = False
    reaches: Tuple[str, ...] = ()
    answers: str = ""
    if_lengths_differ: str = ""
    seeds_workers: bool = False
    edits: Tuple[Edit, ...] = ()


class Variation(NamedTuple):
    """Another value of a source that another machine may have, called ``title`` in reports: the
    source is unpinned (``unpins``) or pinned with its script's pin (``pins``), or it is a matter of
    the environment or of settings.
    """

    title: str
    environment: Dict[str, str] = {}
    settings: Settings = NO_SETTINGS
    unpins: bool = False
    pins: bool = False


class Link(NamedTuple):
    title: str
    url: str


class Source(NamedTuple):
    """Everything that the project knows about one thing that can make two runs differ.

    ``experiment`` is the scan's experiment, None if only a user's own script can have the source.
    ``per_backend`` overrides it for backends with a different experiment, or none (the source's
    pins exist there all the same). ``seeders`` are functions that seed what its pins pin: the
    module, and the name in it. ``trace_name`` is what a trace calls the state of the generator of a
    process, if the source is one. ``use`` is what a line of a script does with it. A ``component``
    of a training may draw from any generator: the scan's matrix shows from which. ``script`` says
    how it is tried in a script, None if it is not; ``variation``, how a script's dependence on it
    is tried. ``edits`` are changes of the user's own lines that remove it, if no pin does.
    """

    id: str
    family: str
    title: str
    breaks: str
    experiment: Union[Unpin, Compare, None]
    pins: Tuple[Pin, ...] = ()
    backends: Tuple[str, ...] = ("tensorflow",)
    per_backend: Dict[str, Union[Unpin, Compare, None]] = {}
    needs: Needs = Needs()
    links: Tuple[Link, ...] = ()
    quick: bool = False
    advice: str = ""
    note: str = ""
    script: Optional[InScript] = None
    variation: Optional[Variation] = None
    edits: Tuple[Edit, ...] = ()
    seeders: Tuple[Tuple[str, str], ...] = ()
    trace_name: str = ""
    use: str = "draw"
    component: bool = False


ORDER = "order"
#: The families, in the order in which they are shown and tried.
FAMILIES = ("generators", ORDER, "parallel arithmetic", "kernels and compilers", "use", "gpu")
