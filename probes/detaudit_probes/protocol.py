"""How engine and guest communicate: files in a private control folder, announced over a pipe.

This docstring is the specification; the constants below are its names. Every file is UTF-8 JSON,
written under a temporary name and then renamed, so that a reader never sees an incomplete file.

The control folder::

    nest.json               engine -> nest, before the nest starts
    hello.json              nest -> engine, once: it is ready, or why it is not
    trials/N/request.json   engine -> child: one trial
    trials/N/trace.json     child -> engine: facts, condition, outcome (section "trace")
    trials/N/tables.jsonl   child -> engine: the tables and their columns, append-only
    trials/N/*.rows         child -> engine: fingerprints, append-only
    trials/N/*.at, *.bytes  child -> engine: the tensors' bytes, if they are kept
    trials/N/stdout, stderr the child's own output: never part of the protocol
    trials/N/exit.json      nest -> engine: how the child ended; written only when it has ended

Two inherited pipes, named by file descriptor in ``nest.json``:

``commands``  the engine writes one line per trial, ``run N``. End of file: no more work.
``lifeline``  nobody ever writes. End of file means that the engine has ended in any way: the nest
              and every child then end themselves.

nest.json::

    {"protocol": 2, "backend": "tensorflow", "imports": true, "fork": true,
     "commands": 5, "lifeline": 7, "probes": ["/path/of/a/third/party/folder"]}

If ``imports`` is false, the nest writes the hello without importing the framework.

hello.json::

    {"protocol": 2, "pid": 41, "ready": true, "facts": {...}, "fingerprints": ["xxh3_64", ...],
     "failure": null}

or ``"ready": false`` and ``"failure": {"kind": "import-failed" | "too-old" | "protocol",
"type": ..., "message": ..., "module": ...}``.

The nest of a user's program (:mod:`detaudit_probes.hooks.nest`) has its own files in
``trials/00000``, and no lifeline: its supervisor has that. Its ``nest.json`` names the ``module``
at whose import to fork, and a named pipe of ``commands``.

request.json: the fields of :class:`Request`, as :mod:`detaudit_probes.codec` encodes them. Each
side decodes the other's files by type: a misspelled or unknown field is an error.

exit.json::

    {"status": 0, "signal": null, "timed_out": false, "seconds": 0.8, "max_rss": 412000000}

``seconds`` is wall time in seconds, ``max_rss`` bytes.

trace.json::

    {"format": "detaudit.trace", "version": 3, "trial": 3, "fingerprint": "xxh3_64",
     "condition": {...}, "program": 1, "facts": {...}, "evidence": {"python-random": 1},
     "digests": {...}, "measures": {"step_seconds": [...]}, "outcome": {"kind": "running"}}

``condition`` is the :class:`Request` as it was received, ``measures`` the fields of
:class:`Measures`.

``program`` counts the programs that the process has run one after another (``exec``): each has its
own tables, and the document describes all of them.

tables.jsonl has a line for each table, and another one if a table gets more columns::

    {"table": 0, "name": "once", "kind": "events" | "steps" | "fits" | "data",
     "file": "0.rows",
     "columns": [{"stage": "init", "name": "dense/kernel"}, ...], "kept": true}

The table's file holds little-endian unsigned 64-bit integers:

* ``events``: rows of three, ``(sequence, column, fingerprint)``, for what happens once;
* ``steps``: rows of ``2 + len(columns)``, ``(sequence, step, fingerprint, ...)``;
* ``fits``: the same for fits that are no training steps, with the number of the call;
* ``data``: the data of these fits, which decides nothing.

``sequence`` counts the observations of the trial over all tables and so gives the causal order.
If ``kept`` is true, ``N.at`` has one row of offsets for each row of ``N.rows`` (one offset for
``events``, one per column for ``steps``) into ``N.bytes``. A record there is ``<u2 length>``, that
many bytes of ASCII ``dtype|d0,d1,...``, ``<u8 size>``, and the elements in C order, little-endian.
A tensor of more than ``LARGEST_KEPT`` bytes is not kept: its offset is ``NOT_KEPT``.

The child writes ``outcome`` (``completed``, ``unavailable``, ``failed``). For a child that died,
only the engine writes it (``crashed``, ``timed-out``).

Versions of the trace: 1, the first; 2, the tables have their own file; 3, the condition has
settings and orders, and measures omit fields with default values. Versions of the protocol: 1, the
first; 2, settings and orders replace options.
"""

from typing import Any, Collection, Dict, NamedTuple, Optional, Tuple, Union

from detaudit_probes.codec import ProtocolError, given

PROTOCOL = 2
TRACE_FORMAT = "detaudit.trace"
TRACE_VERSION = 3

NEST_FILE = "nest.json"
HELLO_FILE = "hello.json"
TRIALS_FOLDER = "trials"
REQUEST_FILE = "request.json"
TRACE_FILE = "trace.json"
TABLES_FILE = "tables.jsonl"
EXIT_FILE = "exit.json"
STDOUT_FILE = "stdout"
STDERR_FILE = "stderr"

# The variables with which a Python process of the user's finds its trial's folder, or its nest's.
TRIAL_VARIABLE, NEST_VARIABLE = "_DETAUDIT_TRIAL", "_DETAUDIT_NEST"
# The paths of third parties' sources, separated as in PATH: every process declares them.
SOURCES_VARIABLE = "_DETAUDIT_SOURCES"

# Left in a trial's folder by the recorded process of a user's script (``hooks/start.py``).
MAIN_FILE = "main"  # the id of the recorded process
PROCESSES_FILE = "processes"  # a line for each other Python process that the script started
# A folder for each of these that is recorded too, named after its id: it has files as the trial's.
PROCESSES_FOLDER = "recorded"
WORKERS_FOLDER = "workers"  # a file for each forked worker of a recorded process: what it drew
PROCESS_FILE = "process.json"  # which process was recorded
TOO_MANY_FILE = "too-many"  # beside these folders, if more processes began than are recorded
SITES_FILE = "sites.json"  # the lines that drew random numbers, and the seeds that the script set
# In a trial's folder: the files of the program that are to be read, and what is in them.
CONTENTS_REQUEST, CONTENTS_FILE = "contents-request.json", "contents.json"
PRINTED = "standard output"  # the name of what a program prints, among its files
STOP_FILE = "stop"  # put there by the engine: the program is ended at the end of a step
EVENTS_FILE = "events.json"  # the operations that the requested step executed, replay by replay
# The files of one recorded process, among others in its folder; and the ends of its tables' names.
OF_PROCESS = (TRACE_FILE, TABLES_FILE, PROCESS_FILE, SITES_FILE, EVENTS_FILE)
TABLE_SUFFIXES = (".rows", ".at", ".bytes")
NOT_KNOWN = 0  # in that file, the fingerprint of a value that cannot be read
OUTSIDE = "outside"  # the folder in the names of files that are saved elsewhere
DATA_OF = "data of "  # before the phase of a fit, the phase of its data
FITTED = "fitted"  # the digest's name: what was fitted without training steps
LEARNED = "learned"  # the format of numbers that were learned, among the files of a program
SAVED = "saved "  # prefix of a digest's name: the arrays that the script has saved in a file
# Prefix of observations beside the training, which are not judged; the kind follows
BESIDE = "beside "
# Modules of experiment trackers
TRACKERS = (
    "clearml",
    "comet_ml",
    "huggingface_hub",
    "mlflow",
    "wandb",
)
FAULT_FILE = "fault"  # a fault of the hooks themselves
# Prefix of names in the trace: the arguments of a function that the script compiles
ARGUMENT = "argument"

#: The ``model`` of a trial that only replays operations of the catalogue.
OPERATIONS = "operations"

#: The largest tensor that is kept, in bytes; of a larger one only the fingerprint is kept.
LARGEST_KEPT = 1 << 20
NOT_KEPT = (1 << 64) - 1

#: Stages of observations, in causal order.
STAGES = ("rng", "data", "init", "forward", "loss", "gradient", "update", "metric", "output")

#: Fingerprint algorithms, best first: an audit uses the first that all its interpreters support.
FINGERPRINTS = ("xxh3_64", "blake2b_64")


#: The type of a source's own setting.
Value = Union[bool, int, float, str]


class Settings(NamedTuple):
    """How a training, and the process that it runs in, is set up by a pin or by one of a source's
    settings. None leaves the framework, the model or the machine unchanged.

    Settings are values that can be compared and hashed.
    """

    intra_op_threads: Optional[int] = None  # threads that share one operation
    inter_op_threads: Optional[int] = None  # operations that run side by side
    logical_cpus: Optional[int] = None  # devices into which TensorFlow divides the CPU
    jit_compile: Union[bool, str, None] = None  # of ``Model.compile``: true, false or "auto"
    run_eagerly: Optional[bool] = None  # of ``Model.compile``
    dtype_policy: Optional[str] = None  # Keras' global dtype policy, such as "mixed_bfloat16"
    optimizer: Optional[str] = None  # the name of Keras' class, in place of the model's own
    momentum: Optional[float] = None  # of that optimizer
    epochs: Optional[int] = None  # of each ``fit``, in place of the model's own
    loader_workers: Optional[int] = None  # processes that load batches for Torch
    use_cudnn: Optional[bool] = None  # whether an LSTM may use cuDNN's kernel
    # Whether examples are predicted one by one instead of in one batch
    one_by_one: Optional[bool] = None
    busy: Optional[bool] = None  # whether other processes keep every core busy at the same time
    fixed_addresses: Optional[bool] = None  # whether memory has the same addresses in every run
    own: Tuple[Tuple[str, Value], ...] = ()  # by source id, sorted: see :func:`own_setting`

    def over(self, others: "Settings") -> "Settings":
        """Return these settings, completed by those of ``others`` that are not set here."""
        mine = {name: value for name, value in given(self).items() if name != "own"}
        own = dict(others.own)
        own.update(self.own)
        return others._replace(own=tuple(sorted(own.items())), **mine)

    def without(self, others: "Settings") -> "Settings":
        """Return these settings without those that ``others`` set."""
        taken = {name: None for name in given(others) if name != "own"}
        names = {name for name, _ in others.own}
        return self._replace(own=tuple(one for one in self.own if one[0] not in names), **taken)


NO_SETTINGS = Settings()


def own_setting(source: str, value: Value) -> Settings:
    """Return a setting with a meaning that only ``source`` defines, in its own file; it reads it
    with :meth:`detaudit_probes.given.Given.own_setting`.
    """
    if source in Settings._fields + Orders._fields:
        raise ProtocolError("%r is a common setting, not a setting of one source" % source)
    return Settings(own=((source, value),))


def check_own_settings(settings: Settings, known_sources: Collection[str]) -> None:
    """Raises ProtocolError if one of the sources' own settings belongs to an unknown source."""
    unknown = sorted({name for name, _ in settings.own} - set(known_sources))
    if unknown:
        raise ProtocolError("settings of unknown sources: %s" % ", ".join(unknown))


class Orders(NamedTuple):
    """What a trial does beside the training: what it records, when it ends, what it replays, and in
    which folder a user's program runs.
    """

    # recording
    record: bool = True  # false: only initial and final weights, as in an unrecorded run
    every: int = 1  # record every N-th step
    record_steps: Optional[int] = None  # of our own models: the first steps only; None: all
    evaluate: bool = False  # whether the trained model is evaluated at the end
    # The initial weight whose last bit is flipped, counted over all weights from 0
    flipped: Optional[int] = None
    keep_from: Optional[int] = None  # sequence number of the first observation whose bytes are kept
    # The step, counted from 0, that is replayed operation by operation
    pinpoint: Optional[int] = None
    eager: bool = False  # whether a step outside of ``fit`` is observed while it runs
    spy: Optional[str] = None  # the source whose call sites are recorded
    # Files left by an earlier run, relative to the root: record who reads them
    files: Tuple[str, ...] = ()
    stop_steps: Optional[int] = None  # steps after which the program is ended
    # Seconds after which it is ended, at the end of the current step
    stop_seconds: Optional[float] = None
    # Whether it is ended too once it differs from the other run of its pair
    stop_differing: bool = False
    placebo: Optional[str] = None  # id of a placebo that is applied in the child
    # replaying operations of the catalogue
    operations: Optional[str] = None  # names of entries, separated by commas
    dtypes: Optional[str] = None  # dtypes to call them with, separated by commas; None: floats
    repeats: Optional[int] = None  # calls of each entry
    unseeded: bool = False  # whether random operations are called with their defaults
    refusals: bool = False  # whether the library is asked which operations refuse to run
    # a user's program
    more_arguments: Tuple[str, ...] = ()  # behind its own
    # What is added to each seed that it sets; None: seeds are not looked at
    seeds_plus: Optional[int] = None
    # the folder of a user's program
    version: str = ""  # the changed copy of the program's files to run; empty: the original
    without: Tuple[str, ...] = ()  # files of the folder that are removed before the run
    left: bool = False  # whether the run starts with the files that the first such run left
    kept: bool = False  # whether those files are kept of a pinned run too
    # Whether it has a temporary folder of its own, which is removed: pinned runs always do
    private: bool = False
    root: str = ""  # the folder, as the process sees it
    origin: str = ""  # the user's own folder, of which ``root`` may be a view
    covered: Tuple[str, ...] = ()  # further folders that are protected
    temporary: str = ""  # the trial's own temporary folder
    began: Optional[float] = None  # when the audit began, in seconds since the epoch
    # Whether the trial may go on from a fork of the program, in place of a fresh process
    forked: bool = False


NO_ORDERS = Orders()


class Files(NamedTuple):
    """The files that a run has read below its own folder, and those that it has written, created
    and found outside of that folder (:class:`detaudit_probes.hooks.files.Record`). ``outside``:
    those that a run may leave there that is ended before it removes them. ``connected``: whether it
    connected to another machine.
    """

    read: Tuple[str, ...] = ()
    elsewhere: Tuple[str, ...] = ()
    made: Tuple[str, ...] = ()
    found: Tuple[str, ...] = ()
    outside: Tuple[str, ...] = ()
    connected: bool = False


class Process(NamedTuple):
    """A Python process of a user's program: the name of its script, a digest of its ``arguments``
    (which may be secrets), and its ``rank`` among equal ones, if it has been given one.
    """

    title: str
    arguments: str
    rank: str = ""


class Point(NamedTuple):
    """The end of a framework's import in a user's program: a nest may fork there.

    ``kept`` are the generators that the program's lines had used before that import, each with a
    digest of its state. ``obstacle`` says why no nest can fork there; empty if one can.
    """

    module: str
    number: int  # 1 for the first such import
    kept: Tuple[Tuple[str, str], ...] = ()
    obstacle: str = ""


class Refused(NamedTuple):
    """A message with which the library refuses to run, and the operations that it concerns."""

    message: str
    operations: Tuple[str, ...]


class Raised(NamedTuple):
    """The exception that ended an entry of the catalogue. ``refusal``: its class is the one of
    missing kernels and of refusals under op determinism.
    """

    type: str
    message: str
    refusal: bool


class OperationsReplayed(NamedTuple):
    """The results of replaying entries of the catalogue, by name and dtype."""

    raised: Dict[str, Raised] = {}
    # The operations of the framework that an entry executes
    executed: Dict[str, Tuple[str, ...]] = {}
    seconds: Dict[str, Tuple[float, ...]] = {}  # the duration of each call
    differing: Dict[str, Optional[Dict[str, Any]]] = {}  # ``ops.event.described``; None: not found


class Ends(NamedTuple):
    """The number of distinct end states of one way to replay a step."""

    replays: int
    distinct: int


class StepReplayed(NamedTuple):
    """The results of replaying a step. ``kind``: ``fit``, a function or an eager loop."""

    kind: str
    operations: int  # the number of observed operations
    operation: Optional[Dict[str, Any]] = (
        None  # ``ops.event.described``: where replays differ first
    )
    failed: str = ""  # why the step could not be replayed
    recorded: Optional[Ends] = None  # replays operation by operation, each fingerprinted
    eager: Optional[Ends] = None  # replays operation by operation
    compiled: Optional[Ends] = None  # replays of the compiled step
    recorded_matches_eager: Optional[bool] = (
        None  # whether recorded and eager replays end on the same bits
    )
    eager_matches_compiled: Optional[bool] = None  # whether eager and compiled ones do
    replay_matches_step: Optional[bool] = (
        None  # whether a replay ends on the bits of the step itself
    )
    seconds: Optional[float] = None  # the duration of all replays


# Kinds of leaves
ARRAY, NUMBER, TEXT, BYTES = "array", "number", "text", "bytes"


class Leaf(NamedTuple):
    """One value in a file of a program: its ``place`` there, its ``kind``, and the ``text`` that is
    compared. That of a ``number`` or a ``text`` is as it is written, that of an ``array`` or of
    ``bytes`` a digest.
    """

    place: str
    kind: str
    text: str


class Content(NamedTuple):
    """What is in a file: its ``name`` below the program's folder, and its ``format``. ``unread`` is
    the reason why it could only be compared by its bytes.
    """

    name: str
    format: str
    leaves: Tuple[Leaf, ...]
    unread: str = ""


class Measures(NamedTuple):
    """What a trial reports beside its observations; not compared. None: not reported."""

    steps: int = 0
    epochs: int = 0
    step_seconds: Tuple[float, ...] = ()  # seconds, one per step
    max_rss: int = 0  # peak memory in bytes
    moved: Optional[bool] = None  # whether a weight has changed
    fits: int = 0  # of models that are fitted without training steps
    # Numbers that these have learned, a "file" for each fit: compared as a program's files are,
    # because one may be a time
    learned: Tuple[Content, ...] = ()
    backend: Optional[str] = None  # the adapter for the Keras that a program has imported
    not_recorded: Optional[str] = None  # why the training is not recorded
    side_by_side: bool = False  # whether several threads train at once: their steps have no order
    stopped: Optional[int] = None  # steps after which the program was ended, as requested
    after_import: Optional[float] = None  # seconds from the import of Keras to the end
    first_step: Optional[float] = None  # seconds from that import until the first step has ended
    last_step: Optional[float] = None  # and the last one
    saved: Tuple[str, ...] = ()  # files, in the order in which they were first saved
    results: Tuple[Tuple[str, str, float], ...] = ()  # (group, name, value): losses and metrics
    # The number of the class that a classifier finds likeliest for each example of its test, or of
    # the last call of ``predict``
    predicted: Tuple[int, ...] = ()
    predicted_for: str = ""  # fingerprints of these examples, if a script has called it
    used: Tuple[str, ...] = ()  # ids of the sources that the program itself has used
    files: Files = Files()
    placebos: Tuple[str, ...] = ()  # ids of the placebos that the program has applied
    trackers: Tuple[str, ...] = ()  # modules of experiment trackers that were imported
    imported: Optional[Tuple[str, ...]] = None  # distributions that the program has imported
    pinpoint: Optional[StepReplayed] = None
    operations: OperationsReplayed = OperationsReplayed()
    refusals: Tuple[Refused, ...] = ()
    points: Tuple[Point, ...] = ()  # the ends of the frameworks' imports, in order


class Draw(NamedTuple):
    """A line of the user's code that drew from a generator, with the number of draws; ``seeded`` of
    them came after the script's own seed.

    ``in_user_code``: it called the generator itself. ``stack`` are the frames in between, the
    outermost last, as ``file:line in function``. ``in_worker``: in a worker process, from
    a state that it does not inherit from the program's.
    ``traced``: while a framework traced the function.
    """

    file: str
    line: int
    function: str
    draws: int
    seeded: int
    in_user_code: bool
    stack: Tuple[str, ...]
    in_worker: bool = False
    traced: bool = False


class Seeding(NamedTuple):
    """A line of the user's code that set a seed with ``function``, after this number of ``draws``.
    ``reaches``: it seeds the generator under study.
    """

    file: str
    line: int
    function: str
    reaches: bool
    draws: int


class CallSites(NamedTuple):
    """The lines that drew from the generator under study, and those that set seeds, each in the
    order of its first call.
    """

    draws: Tuple[Draw, ...]
    seeds: Tuple[Seeding, ...]


class Contents(NamedTuple):
    files: Tuple[Content, ...]


class ToRead(NamedTuple):
    name: str
    path: str


class ContentsRequest(NamedTuple):
    files: Tuple[ToRead, ...]


class Request(NamedTuple):
    """One trial, as described to the guest.

    ``model`` is the name of a tiny model, ``source:ID`` for a source's own model, or
    ``OPERATIONS``. ``feed`` and ``procedure`` are ids of sources with their own input pipeline or
    training. ``draw`` numbers the trial within its condition: a source that is provoked uses it as
    its value. ``pins`` and ``unpinned`` are ids; a source in neither stays as the interpreter has
    it. ``timeout`` is in seconds.
    """

    trial: int
    draw: int
    seed: int
    backend: str
    device: str
    model: str
    feed: Optional[str]
    procedure: Optional[str]
    pins: Tuple[str, ...]
    unpinned: Tuple[str, ...]
    fingerprint: str
    keep_bytes: bool
    timeout: float
    settings: Settings = NO_SETTINGS
    orders: Orders = NO_ORDERS


def as_mapping(settings: Settings, orders: Orders) -> Dict[str, Any]:
    """Return settings and orders as one sorted mapping, a source's own setting under its id, for
    reports.
    """
    found = given(settings)
    found.update(found.pop("own", ()))
    found.update(given(orders))
    return dict(sorted(found.items()))
