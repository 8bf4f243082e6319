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

Three inherited pipes, named by file descriptor in ``nest.json``:

``commands``  the engine writes one line a command, ``run N`` or ``kill N``. End of file: no more
work. ``lifeline``  nobody ever writes. End of file means that the engine is gone, however it died:
              the nest and every child end themselves.

nest.json::

    {"protocol": 1, "backend": "tensorflow", "imports": true, "fork": true,
     "commands": 5, "lifeline": 7, "probes": ["/path/of/a/third/party/folder"]}

``imports`` false asks for the hello alone, without the framework.

hello.json::

    {"protocol": 1, "pid": 41, "ready": true, "facts": {...}, "fingerprints": ["xxh3_64", ...],
     "failure": null, "declarations": []}

or ``"ready": false`` and ``"failure": {"kind": "import-failed" | "too-old" | "protocol", "type":
..., "message": ..., "module": ...}``.

request.json: the fields of :class:`Request`.

exit.json::

    {"status": 0, "signal": null, "timed_out": false, "seconds": 0.8, "max_rss": 412000000}

``seconds`` is wall time in seconds, ``max_rss`` bytes.

trace.json::

    {"format": "detaudit.trace", "version": 2, "trial": 3, "fingerprint": "xxh3_64", "condition":
    {...},
     "program": 1, "facts": {...}, "evidence": {"python-random": 1}, "digests": {...},
     "measures": {"step_seconds": [...]}, "outcome": {"kind": "running"}}

``program`` counts the programs that the process has run one after the other (``exec``): the tables
of each are its own, and the document tells of all.

tables.jsonl has a line for each table, and a further one where a table gets further columns:
``{"table": 0, "name": "once", "kind": "events" | "steps", "file": "0.rows", "columns": [{"stage":
"init", "name": "dense/kernel"},
...], "kept": true}``. The table's file holds little-endian unsigned 64-bit integers:

* ``events``: rows of three, ``(sequence, column, fingerprint)``, for what happens once;
* ``steps``: rows of ``2 + len(columns)``, ``(sequence, step, fingerprint, ...)``.

``sequence`` counts the observations of the trial over all tables and so gives the causal order.
Where ``kept`` is true, ``N.at`` has one row of offsets for each row of ``N.rows`` (one offset for
``events``, one a column for ``steps``) into ``N.bytes``, where a record is ``<u2 length>``, that
many bytes of ASCII ``dtype|d0,d1,...``, ``<u8 size>``, and the elements in C order, little-endian.
A tensor of more than ``LARGEST_KEPT`` bytes is not kept: its offset is ``NOT_KEPT``.

``outcome`` is written by the child (``completed``, ``unavailable``, ``failed``); that of a child
that died is written by the engine alone (``crashed``, ``timed-out``, ``killed``).

Version history: 1, the first; 2, the tables have a file of their own.
"""

from typing import Any, Dict, List, NamedTuple, Optional

PROTOCOL = 1
TRACE_FORMAT = "detaudit.trace"
TRACE_VERSION = 2
LOWEST_PYTHON = (3, 6)

NEST_FILE = "nest.json"
HELLO_FILE = "hello.json"
TRIALS_FOLDER = "trials"
REQUEST_FILE = "request.json"
TRACE_FILE = "trace.json"
TABLES_FILE = "tables.jsonl"
EXIT_FILE = "exit.json"
STDOUT_FILE = "stdout"
STDERR_FILE = "stderr"

# Left in a trial's folder by a watched process of a user's script (``script/start.py``).
MAIN_FILE = "main"  # the number of the process that is watched
PROCESSES_FILE = "processes"  # a line for each other Python process that the script started
SITES_FILE = "sites.json"  # the lines that drew, and the seeds that the script set
EVENTS_FILE = "events.json"  # the operations of the step that was asked for, as they were executed, replay by replay
NOT_KNOWN = 0  # there, the fingerprint of what cannot be read
SAVED = "saved "  # so a digest's name begins: of the arrays that the script has saved in a file
BESIDE = "beside "  # of what stands beside the training, and is not judged; its kind comes next
TRACKERS = (
    "clearml",
    "comet_ml",
    "huggingface_hub",
    "mlflow",
    "wandb",
)  # modules of experiment trackers
FAULT_FILE = "fault"  # a fault of the hooks themselves
ARGUMENT = (
    "argument"  # a name in the trace begins so: what a function is given that the script compiles
)

#: The ``model`` of a trial that trains nothing and replays operations of the catalogue.
OPERATIONS = "operations"

#: Bytes of one tensor that are kept at most; a larger one has its fingerprint alone.
LARGEST_KEPT = 1 << 20
NOT_KEPT = (1 << 64) - 1

#: Stages of an observation in causal order.
STAGES = ("rng", "data", "init", "forward", "loss", "gradient", "update", "metric", "output")

#: Fingerprint algorithms, best first: an audit uses the first that all its interpreters can do.
FINGERPRINTS = ("xxh3_64", "blake2b_64")


class Request(NamedTuple):
    """One trial, as the guest needs to know it.

    ``model`` is the name of a tiny model, ``source:ID`` for one that a source brings, or
    ``OPERATIONS``. ``feed`` and ``procedure`` are ids of sources that bring their own input
    pipeline or their own training. ``draw`` numbers the trial within its condition: a source that
    is provoked takes it as its value. ``options`` are the settings of a training: threads,
    ``jit_compile``, ``optimizer`` ... ``pins`` and ``loose`` are ids; a source in neither is left
    as the interpreter has it.
    """

    trial: int
    draw: int
    seed: int
    backend: str
    device: str
    model: str
    feed: Optional[str]
    procedure: Optional[str]
    pins: List[str]
    loose: List[str]
    options: Dict[str, Any]
    fingerprint: str
    keep_bytes: bool
    timeout: float
    protocol: int = PROTOCOL
