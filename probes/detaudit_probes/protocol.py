"""How the engine and the guest speak: files in a private control folder, announced over a pipe.

This docstring is the specification; the constants below are its names. Every file is UTF-8 JSON,
written under another name and renamed, so that a reader never sees half of one.

The control folder::

    nest.json               engine -> nest, before the nest starts
    hello.json              nest -> engine, once: it is ready, or why it is not
    trials/N/request.json   engine -> child: one trial
    trials/N/trace.json     child -> engine: facts, condition, outcome (section "trace")
    trials/N/tables.jsonl   child -> engine: the tables and their columns, append-only
    trials/N/*.rows         child -> engine: fingerprints, append-only
    trials/N/*.at, *.bytes  child -> engine: the tensors' bytes, where they are kept
    trials/N/stdout, stderr the child's own output: never part of the protocol
    trials/N/exit.json      nest -> engine: how the child ended; its presence says that it ended

Two inherited pipes, named by file descriptor in ``nest.json``:

``commands``  the engine writes one line a trial, ``run N``. End of file: no more work.
``lifeline``  nobody ever writes. End of file means that the engine is gone, however it died: the
              nest and every child end themselves.

nest.json::

    {"protocol": 2, "backend": "tensorflow", "imports": true, "fork": true,
     "commands": 5, "lifeline": 7, "probes": ["/path/of/a/third/party/folder"]}

``imports`` false asks for the hello alone, without the framework.

hello.json::

    {"protocol": 2, "pid": 41, "ready": true, "facts": {...}, "fingerprints": ["xxh3_64", ...],
     "failure": null}

or ``"ready": false`` and ``"failure": {"kind": "import-failed" | "too-old" | "protocol",
"type": ..., "message": ..., "module": ...}``.

request.json: the fields of :class:`Request`, as :mod:`detaudit_probes.codec` encodes them. What
one side reads of the other is decoded by type: a misspelt or unknown field is an error.

exit.json::

    {"status": 0, "signal": null, "timed_out": false, "seconds": 0.8, "max_rss": 412000000}

``seconds`` is wall time in seconds, ``max_rss`` bytes.

trace.json::

    {"format": "detaudit.trace", "version": 3, "trial": 3, "fingerprint": "xxh3_64",
     "condition": {...}, "program": 1, "facts": {...}, "evidence": {"python-random": 1},
     "digests": {...}, "measures": {"step_seconds": [...]}, "outcome": {"kind": "running"}}

``condition`` is the :class:`Request` as it was received, ``measures`` the fields of
:class:`Measures`.

``program`` counts the programs that the process has run one after the other (``exec``): the tables
of each are its own, and the document tells of all.

tables.jsonl has a line for each table, and a further one where a table gets further columns::

    {"table": 0, "name": "once", "kind": "events" | "steps", "file": "0.rows",
     "columns": [{"stage": "init", "name": "dense/kernel"}, ...], "kept": true}

The table's file holds little-endian unsigned 64-bit integers:

* ``events``: rows of three, ``(sequence, column, fingerprint)``, for what happens once;
* ``steps``: rows of ``2 + len(columns)``, ``(sequence, step, fingerprint, ...)``.

``sequence`` counts the observations of the trial over all tables and so gives the causal order.
Where ``kept`` is true, ``N.at`` has one row of offsets for each row of ``N.rows`` (one offset for
``events``, one a column for ``steps``) into ``N.bytes``, where a record is ``<u2 length>``, that
many bytes of ASCII ``dtype|d0,d1,...``, ``<u8 size>``, and the elements in C order, little-endian.
A tensor of more than ``LARGEST_KEPT`` bytes is not kept: its offset is ``NOT_KEPT``.

``outcome`` is written by the child (``completed``, ``unavailable``, ``failed``); that of a child
that died is written by the engine alone (``crashed``, ``timed-out``).

Version history of the trace: 1, the first; 2, the tables have a file of their own; 3, the condition
has settings and orders, and measures leave out what has its default. Of the protocol: 1, the first;
2, settings and orders in place of options.
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

# Left in a trial's folder by a watched process of a user's script (``hooks/start.py``).
MAIN_FILE = "main"  # the number of the process that is watched
PROCESSES_FILE = "processes"  # a line for each other Python process that the script started
SITES_FILE = "sites.json"  # the lines that drew, and the seeds that the script set
EVENTS_FILE = "events.json"  # the operations of the step that was asked for, as they were executed, replay by replay
NOT_KNOWN = 0  # there, the fingerprint of what cannot be read
SAVED = "saved "  # so a digest's name begins: of the arrays that the script has saved in a file
BESIDE = "beside "  # of what stands beside the training, and is not judged; its kind comes next
# Modules of experiment trackers
TRACKERS = (
    "clearml",
    "comet_ml",
    "huggingface_hub",
    "mlflow",
    "wandb",
)
FAULT_FILE = "fault"  # a fault of the hooks themselves
# A name in the trace begins so: what a function is given that the script compiles
ARGUMENT = "argument"

#: The ``model`` of a trial that trains nothing and replays operations of the catalogue.
OPERATIONS = "operations"

#: Bytes of one tensor that are kept at most; a larger one has its fingerprint alone.
LARGEST_KEPT = 1 << 20
NOT_KEPT = (1 << 64) - 1

#: Stages of an observation in causal order.
STAGES = ("rng", "data", "init", "forward", "loss", "gradient", "update", "metric", "output")

#: Fingerprint algorithms, best first: an audit uses the first that all its interpreters can do.
FINGERPRINTS = ("xxh3_64", "blake2b_64")


#: What a setting of a source's own may be.
Value = Union[bool, int, float, str]


class Settings(NamedTuple):
    """How a training is set up, and the process that it runs in: what a pin, or one of the settings
    of a source, gives. None leaves the framework, the model or the machine as it is.

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
    use_cudnn: Optional[bool] = None  # of an LSTM: whether it may use cuDNN's kernel
    one_by_one: Optional[bool] = None  # whether examples are predicted singly, not in one batch
    busy: Optional[bool] = None  # whether other processes keep every core busy meanwhile
    fixed_addresses: Optional[bool] = None  # whether memory lies at the same addresses in each run
    own: Tuple[Tuple[str, Value], ...] = ()  # by source id, sorted: see :func:`own_setting`

    def over(self, others: "Settings") -> "Settings":
        """These, and of ``others`` what is not given here."""
        mine = {name: value for name, value in given(self).items() if name != "own"}
        own = dict(others.own)
        own.update(self.own)
        return others._replace(own=tuple(sorted(own.items())), **mine)

    def without(self, others: "Settings") -> "Settings":
        """These, but nothing that ``others`` give."""
        taken = {name: None for name in given(others) if name != "own"}
        names = {name for name, _ in others.own}
        return self._replace(own=tuple(one for one in self.own if one[0] not in names), **taken)


NO_SETTINGS = Settings()


def own_setting(source: str, value: Value) -> Settings:
    """A setting that is none of a training's in general: ``source`` gives it a meaning in its own
    file, and reads it there by :meth:`detaudit_probes.given.Given.own_setting`.
    """
    if source in Settings._fields + Orders._fields:
        raise ProtocolError("%r is a setting of every training" % source)
    return Settings(own=((source, value),))


def check_own_settings(settings: Settings, known_sources: Collection[str]) -> None:
    """Raises ProtocolError where an own setting is of no known source."""
    unknown = sorted({name for name, _ in settings.own} - set(known_sources))
    if unknown:
        raise ProtocolError("settings of sources that are not known: %s" % ", ".join(unknown))


class Orders(NamedTuple):
    """What a trial is asked to do beside the training: what it records, where it ends, what it
    replays, and in which folder a user's program is run.
    """

    # recording
    watch: bool = True  # false: initial and final weights alone, as in an unrecorded run
    every: int = 1  # steps from one that is recorded to the next
    keep_from: Optional[int] = None  # sequence number from which on tensors' bytes are kept
    pinpoint: Optional[int] = None  # the step, from 0, that is replayed operation by operation
    eager: bool = False  # whether a step outside of ``fit`` is watched while it runs
    spy: Optional[str] = None  # the source whose call sites are noted
    files: Tuple[str, ...] = ()  # left by an earlier run, relative to the root: who reads them
    stop_steps: Optional[int] = None  # steps after which the program is ended
    stop_seconds: Optional[float] = None  # seconds after which it is ended, at the end of a step
    placebo: Optional[str] = None  # id of a placebo that is applied in the child
    # replaying operations of the catalogue
    operations: Optional[str] = None  # names of entries, separated by commas
    dtypes: Optional[str] = None  # in which they are called, separated by commas; None: floats
    repeats: Optional[int] = None  # calls of each entry
    unseeded: bool = False  # whether random ones are called by their defaults
    refusals: bool = False  # whether the library is asked which operations refuse to run
    # the folder of a user's program
    version: str = ""  # which changed copy of the program's files is run; empty: as it is
    without: Tuple[str, ...] = ()  # files of the folder that are taken away before
    left: bool = False  # whether the run begins from what the first one that began so has left
    kept: bool = False  # whether that is kept of a pinned run too
    root: str = ""  # the folder as the process sees it
    origin: str = ""  # the user's own folder, of which ``root`` may be a view
    covered: Tuple[str, ...] = ()  # further folders that are protected
    temporary: str = ""  # the trial's own temporary folder
    began: Optional[float] = None  # when the audit did, in seconds since the epoch


NO_ORDERS = Orders()


class Files(NamedTuple):
    """What a run has read below its own folder, and what it has written, made and found outside of
    that (:class:`detaudit_probes.hooks.files.Record`). ``connected``: to another machine.
    """

    read: Tuple[str, ...] = ()
    elsewhere: Tuple[str, ...] = ()
    made: Tuple[str, ...] = ()
    found: Tuple[str, ...] = ()
    connected: bool = False


class Refused(NamedTuple):
    """A message with which the library refuses to run, and the operations that it means."""

    message: str
    operations: Tuple[str, ...]


class Raised(NamedTuple):
    """The exception in which an entry of the catalogue ended; ``refusal``: its class is that of a
    kernel that does not exist, or of a refusal under op determinism.
    """

    type: str
    message: str
    refusal: bool


class OperationsReplayed(NamedTuple):
    """What came of replaying entries of the catalogue, each by its name and dtype."""

    raised: Dict[str, Raised] = {}
    executed: Dict[str, Tuple[str, ...]] = {}  # the framework's operations that an entry executes
    seconds: Dict[str, Tuple[float, ...]] = {}  # of each call
    guilty: Dict[str, Optional[Dict[str, Any]]] = {}  # ``ops.event.described``; None: not found


class Ends(NamedTuple):
    """In how many states one way to replay a step has ended."""

    replays: int
    distinct: int


class StepReplayed(NamedTuple):
    """What came of replaying a step. ``kind``: ``fit``, a function or an eager loop."""

    kind: str
    operations: int  # that were watched
    guilty: Optional[Dict[str, Any]] = None  # ``ops.event.described``: where replays differ first
    failed: str = ""  # why the step could not be replayed
    watched: Optional[Ends] = None  # operation by operation, each fingerprinted
    eager: Optional[Ends] = None  # operation by operation
    compiled: Optional[Ends] = None  # as it was compiled
    same_watched: Optional[bool] = None  # whether watched and eager replays end on the same bits
    same_eager: Optional[bool] = None  # whether eager and compiled ones do
    same_step: Optional[bool] = None  # whether a replay ends on the bits of the step itself
    seconds: Optional[float] = None  # that replaying has taken


class Measures(NamedTuple):
    """What a trial tells of itself beside its observations; not compared. None: not told."""

    steps: int = 0
    epochs: int = 0
    step_seconds: Tuple[float, ...] = ()  # seconds, one a step
    max_rss: int = 0  # bytes of memory, at most
    moved: Optional[bool] = None  # whether a weight was seen to change
    backend: Optional[str] = None  # the adapter for the Keras that a program has imported
    unwatched: Optional[str] = None  # why the training is not recorded
    stopped: Optional[int] = None  # steps after which the program was ended, as it was ordered
    after_import: Optional[float] = None  # seconds from the import of Keras to the end
    saved: Tuple[str, ...] = ()  # files, in the order in which they were saved first
    results: Tuple[Tuple[str, str, float], ...] = ()  # (group, name, value): losses and metrics
    used: Tuple[str, ...] = ()  # ids of sources that the program itself has met
    files: Files = Files()
    placebos: Tuple[str, ...] = ()  # ids of those that the program has applied
    trackers: Tuple[str, ...] = ()  # modules of experiment trackers that were imported
    pinpoint: Optional[StepReplayed] = None
    operations: OperationsReplayed = OperationsReplayed()
    refusals: Tuple[Refused, ...] = ()


class Draw(NamedTuple):
    """A line of the user's that drew from a generator, so many times; ``seeded`` of its draws came
    after the script's own seed.

    ``in_user_code``: it called the generator itself. ``stack`` are the frames between, outermost
    last, as ``file:line in function``.
    """

    file: str
    line: int
    function: str
    draws: int
    seeded: int
    in_user_code: bool
    stack: Tuple[str, ...]


class Seeding(NamedTuple):
    """A line of the user's that set a seed with ``function``, after so many ``draws``; ``reaches``:
    it seeds the generator that was watched.
    """

    file: str
    line: int
    function: str
    reaches: bool
    draws: int


class CallSites(NamedTuple):
    """Where a generator that a trial watched was drawn from, and where seeds were set, each in the
    order in which it came first.
    """

    draws: Tuple[Draw, ...]
    seeds: Tuple[Seeding, ...]


class Request(NamedTuple):
    """One trial, as the guest needs to know it.

    ``model`` is the name of a tiny model, ``source:ID`` for one that a source brings, or
    ``OPERATIONS``. ``feed`` and ``procedure`` are ids of sources that bring their own input
    pipeline or their own training. ``draw`` numbers the trial within its condition: a source that
    is provoked takes it as its value. ``pins`` and ``loose`` are ids; a source in neither is left
    as the interpreter has it. ``timeout`` is in seconds.
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
    loose: Tuple[str, ...]
    fingerprint: str
    keep_bytes: bool
    timeout: float
    settings: Settings = NO_SETTINGS
    orders: Orders = NO_ORDERS


def as_mapping(settings: Settings, orders: Orders) -> Dict[str, Any]:
    """Settings and orders as one mapping, sorted, a source's own setting under its id: as reports
    have them.
    """
    found = given(settings)
    found.update(found.pop("own", ()))
    found.update(given(orders))
    return dict(sorted(found.items()))
