"""Audits made by hand, for the tests of the report: what a scan finds on two cores, and what goes
wrong.

The sources are declared here too, so that the golden files do not move with the lines of a real
one.
"""

from dataclasses import replace

from detaudit.commands.scan.findings import Audit, Cell, Control, Level, Placebo, Recipe, Rung
from detaudit.core.condition import Condition, Trial
from detaudit.core.counting import excluded_rate
from detaudit.core.divergence import Divergence
from detaudit.core.experiment import Finished
from detaudit.core.outcome import COMPLETED, CRASHED, TIMED_OUT, Outcome
from detaudit.core.tally import Tally
from detaudit.core.ulp import Distance
from detaudit.core.verdict import Count, Verdict
from detaudit.report.privacy import Private
from detaudit_probes.declare import Pin, Source, Unpin
from detaudit_probes.protocol import Settings

PRIVATE = Private(home="/home/ada", temporary="/var/tmp/ada", host="analytical-engine")
MODELS = ("mlp", "cnn", "text", "lstm", "attention")


def _pin(name, *lines, sources=(), note="", **environment):
    return Pin(name, (name, *sources), lines={"*": lines}, environment=environment, note=note)


_SEED = ("import keras", "keras.utils.set_random_seed({seed})  # first, before anything else")
_PINS = {
    "python-random": _pin(
        "python-random", "import random", "random.seed({seed})  # before the model is built"
    ),
    "numpy-generator": _pin(
        "numpy-generator",
        "import numpy",
        "rng = numpy.random.default_rng({seed})  # and draw from rng only",
        note="every generator in the script needs a seed, because there is no global one",
    ),
    "tensorflow-seed": _pin(
        "tensorflow-seed",
        "import tensorflow as tf",
        "tf.random.set_seed({seed})",
        note="with the global seed set, fit shuffles in the same order in every epoch",
    ),
    "keras-seed": _pin(
        "keras-seed",
        *_SEED,
        sources=(
            "python-random",
            "numpy-legacy",
            "tensorflow-seed",
            "weight-init",
            "dropout",
            "embedding",
            "batch-shuffle",
            "augmentation",
        ),
    ),
    "hash-seed": _pin(
        "hash-seed",
        note="set it before Python starts; setting PYTHONHASHSEED inside the script does nothing",
        PYTHONHASHSEED="0",
    ),
    "directory-order": _pin(
        "directory-order",
        "files = sorted(glob.glob(pattern))  # and sorted(os.listdir(folder))",
    ),
    "deterministic-order": _pin(
        "deterministic-order",
        "options = tf.data.Options()",
        "options.deterministic = True  # and no deterministic=False in any map or interleave",
        "dataset = dataset.with_options(options)",
    ),
    "op-determinism": _pin(
        "op-determinism",
        "import tensorflow as tf",
        "tf.config.experimental.enable_op_determinism()  # after the seeds, before the model is built",
        sources=("sparse-update", "tfdata-random-map"),
        note='disables Keras\' jit_compile="auto"; random operations without a seed raise an error',
    ),
    "one-worker": _pin(
        "one-worker",
        "super().__init__(workers=1)  # in the __init__ of the PyDataset",
        note="batches are no longer loaded in parallel",
    ),
    "one-thread": _pin(
        "one-thread",
        "import tensorflow as tf",
        "tf.config.threading.set_intra_op_parallelism_threads(1)  # before the first operation",
        "tf.config.threading.set_inter_op_parallelism_threads(1)",
        sources=("intra-op-threads",),
    ),
    "third-party": _pin(
        "third-party:scikit-learn",
        "# scikit-learn: pass random_state={seed} to every function and estimator that takes it",
    ),
}

#: id, family, verdict, pin, model, pairs per condition, and what differs first (stage, step, name).
_ROWS = (
    (
        "python-random",
        "generators",
        "needs-pin",
        "python-random",
        "mlp",
        2,
        ("init", None, "dense/kernel"),
    ),
    ("numpy-legacy", "generators", "reproducible", None, "mlp", 2, None),
    ("numpy-generator", "generators", "needs-pin", "numpy-generator", "mlp", 2, ("data", 0, "x")),
    ("tensorflow-seed", "generators", "needs-pin", "tensorflow-seed", "mlp", 2, ("data", 0, "x")),
    (
        "keras-seed",
        "generators",
        "needs-pin",
        "keras-seed",
        "mlp",
        2,
        ("forward", 0, "unseeded_noise"),
    ),
    (
        "third-party:scikit-learn",
        "generators",
        "needs-pin",
        "third-party",
        "mlp",
        2,
        ("data", None, "labels"),
    ),
    ("third-party:scipy", "generators", "skipped", None, "mlp", 0, None),
    ("hash-seed", "order", "needs-pin", "hash-seed", "text", 2, ("data", None, "vocabulary")),
    ("directory-order", "order", "needs-pin", "directory-order", "cnn", 2, ("data", 0, "x")),
    ("tfdata-order", "order", "needs-pin", "deterministic-order", "mlp", 5, ("data", 1, "x")),
    ("tfdata-random-map", "order", "needs-pin", "op-determinism", "mlp", 5, ("data", 0, "x")),
    ("tfdata-shuffle", "order", "reproducible", None, "mlp", 2, None),
    ("loader-workers", "order", "needs-pin", "one-worker", "mlp", 5, ("data", 3, "x")),
    ("intra-op-threads", "parallel arithmetic", "varies", None, "cnn", 2, ("forward", 0, "conv2d")),
    ("inter-op-threads", "parallel arithmetic", "reproducible", None, "cnn", 2, None),
    (
        "sparse-update",
        "parallel arithmetic",
        "needs-pin",
        "op-determinism",
        "text",
        5,
        ("update", 0, "embedding"),
    ),
    ("load", "parallel arithmetic", "reproducible", None, "cnn", 5, None),
    ("replicas", "parallel arithmetic", "error", None, "mlp", 2, None),
    (
        "op-determinism",
        "kernels and compilers",
        "varies",
        None,
        "cnn",
        2,
        ("gradient", 0, "conv2d/kernel"),
    ),
    ("onednn", "kernels and compilers", "varies", None, "cnn", 2, ("forward", 0, "dense")),
    (
        "instruction-set",
        "kernels and compilers",
        "varies",
        None,
        "cnn",
        2,
        ("forward", 0, "conv2d"),
    ),
    ("xla", "kernels and compilers", "varies", None, "mlp", 2, ("forward", 0, "dense")),
    ("eager", "kernels and compilers", "varies", None, "cnn", 2, ("gradient", 2, "conv2d/bias")),
    ("precision", "kernels and compilers", "varies", None, "mlp", 2, ("forward", 0, "dense")),
    ("weight-init", "use", "needs-pin", "keras-seed", "mlp", 2, ("init", None, "dense/kernel")),
    ("dropout", "use", "needs-pin", "keras-seed", "cnn", 2, ("forward", 0, "dropout")),
    (
        "second-fit",
        "use",
        "varies",
        None,
        "mlp",
        2,
        ("update", None, "the final weights or values"),
    ),
    ("resume", "use", "reproducible", None, "mlp", 2, None),
    ("cpu-or-gpu", "gpu", "skipped", None, "cnn", 0, None),
    ("cudnn", "gpu", "skipped", None, "cnn", 0, None),
    ("tf32", "gpu", "skipped", None, "cnn", 0, None),
)

_THREADS = (
    ("cnn", (("1 thread",), ("2 threads",), ("4 threads", "8 threads"))),
    ("mlp", (("1 thread", "2 threads", "4 threads", "8 threads"),)),
)
_SETTINGS = {
    "intra-op-threads": _THREADS,
    "instruction-set": tuple(
        (model, (("no limit",), ("oneDNN at most AVX2",), ("oneDNN at most SSE4.1",)))
        for model in ("cnn", "attention")
    ),
    "second-fit": (("mlp", (("first fit",), ("second fit, seed set again",))),),
}


def declared():
    """The sources of these audits, by id."""
    found = {}
    for name, family, _, pin, model, _, _ in _ROWS:
        found[name] = Source(
            name,
            family,
            name.replace("-", " "),
            "",
            Unpin(models=(model,)),
            pins=(_PINS[pin],) if pin else (),
        )
    return found


def _divergence(place):
    if place is None:
        return None
    stage, step, name = place
    if stage in ("data", "init"):
        return Divergence(stage, step, name, "bits", Distance(41_211_732, 10, 10, 0, 1.25))
    return Divergence(
        stage, step, name, "bits", Distance(3, 7, 640, 12, 1.2e-07) if stage != "update" else None
    )


def _settings_differ(settings):
    differing = [(name, groups) for name, groups in settings if len(groups) > 1]
    groups = " / ".join(" = ".join(group) for group in differing[0][1])
    models = ", ".join(name for name, _ in differing)
    return f"each setting gives the same bits every time, but settings differ on {models}: {groups}"


def _verdict(position, row):
    name, _, kind, pin, model, pairs, place = row
    base = Verdict(
        name,
        kind,
        "",
        trials=tuple(range(10 + 4 * position, 10 + 4 * position + 4)) if pairs else (),
        divergence=_divergence(place),
    )
    if kind == "needs-pin":
        used = _PINS[pin].id
        counts = (Count("unpinned", model, 0, pairs), Count(f"pinned by {used}", model, pairs, 0))
        return replace(
            base,
            pin=used,
            counts=counts,
            reason=f"{pairs} of {pairs} unpinned pairs of {model} differ; with the pin, 0 of {pairs}",
        )
    if kind == "varies":
        settings = _SETTINGS.get(
            name, ((model, (("on",), ("off",))), ("lstm", (("on",), ("off",))))
        )
        return replace(
            base,
            settings=settings,
            counts=(Count("on", model, pairs, 0), Count("off", model, pairs, 0)),
            reason=_settings_differ(settings),
        )
    if kind == "reproducible":
        rate = excluded_rate(pairs)
        return replace(
            base,
            excluded_rate=rate,
            counts=(Count("unpinned", model, pairs, 0),),
            reason=f"no difference in {pairs} pairs (a rate above {rate:.0%} is excluded)",
        )
    if kind == "skipped":
        return replace(
            base,
            reason="needs 1 GPU, none here"
            if "scipy" not in name
            else "scipy is not installed in the audited environment",
        )
    return replace(base, reason="crashed: died from SIGSEGV after 3 steps")


_BASE = Condition(
    "tensorflow",
    "cpu",
    "mlp",
    1,
    ("keras-seed", "python-random", "tensorflow-seed", "one-thread"),
    settings=Settings(inter_op_threads=1, intra_op_threads=1, jit_compile=False),
    environment=(("PYTHONHASHSEED", "0"),),
)


def _trials():
    ended = {
        87: Outcome(CRASHED, "died from SIGSEGV after 3 steps", 2.5, 700_000_000),
        88: Outcome(
            TIMED_OUT, "stopped by the timeout after 300 s and 12 steps", 300.0, 650_000_000
        ),
    }
    return tuple(
        Finished(
            Trial(replace(_BASE, model=MODELS[number % 5]), number % 2),
            number,
            ended.get(number, Outcome(COMPLETED, "", 0.75, 612_000_000)),
            None,
        )
        for number in range(1, 135)
    )


def _rung(name, title, differing, cost=None, changes=(), lines=(), **environment):
    return Rung(
        name,
        title,
        lines,
        tuple(environment.items()),
        not differing,
        tuple(
            Count(name, model, 0 if model in differing else 2, 1 if model in differing else 0)
            for model in MODELS
        ),
        f"runs differ on {', '.join(differing)}"
        if differing
        else "no difference in 2 or more pairs per model (a rate above 78% is excluded)",
        cost,
        (cost - 0.06, cost + 0.11) if cost else None,
        changes,
    )


_LINES = (
    "import keras",
    "import tensorflow as tf",
    "keras.utils.set_random_seed(1)  # first, before anything else",
    "tf.config.experimental.enable_op_determinism()  # after the seeds, before the model is built",
)
_LADDER = (
    _rung("none", "nothing", MODELS),
    _rung("tutorial-2017", "the 2017 tutorial: NumPy's seed and the backend's", MODELS),
    _rung("set-random-seed", "keras.utils.set_random_seed", ("text",)),
    _rung(
        "op-determinism",
        "+ op determinism",
        (),
        1.31,
        ("XLA is switched off (mlp, cnn)", "fit shuffles in the same order in every epoch"),
        _LINES,
    ),
    _rung("hash-seed", "+ PYTHONHASHSEED", (), lines=_LINES, PYTHONHASHSEED="0"),
    _rung("one-thread", "+ one thread", (), lines=_LINES, PYTHONHASHSEED="0"),
)
_DECIDES = {
    ("weight-init", "python-random"),
    ("dropout", "python-random"),
    ("batch-shuffle", "tensorflow-seed"),
    ("augmentation", "python-random"),
    ("embedding", "python-random"),
}
_MATRIX = tuple(
    Cell(
        component,
        generator,
        None
        if (component, generator) == ("augmentation", "keras-seed")
        else (component, generator) in _DECIDES,
        "",
        (1, 2, 3, 4),
    )
    for component in ("weight-init", "dropout", "batch-shuffle", "augmentation", "embedding")
    for generator in ("python-random", "numpy-legacy", "tensorflow-seed", "keras-seed")
)
_PLACEBOS = (
    Placebo(
        "hash-seed-inside",
        'os.environ["PYTHONHASHSEED"] = "0" inside the script',
        "hash-seed",
        True,
        "runs differ with it as they do without it; with hash-seed they match",
    ),
    Placebo(
        "omp-num-threads",
        "OMP_NUM_THREADS=1 with the pip build of TensorFlow",
        "one-thread",
        True,
        "the bits are the same as without it; one-thread changes them",
        set_in_environment=True,
    ),
    Placebo(
        "onednn-misnamed",
        "TF_DISABLE_MKL=1 (the variable is TF_ENABLE_ONEDNN_OPTS=0)",
        "onednn-off",
        True,
        "the bits are the same as without it; onednn-off changes them",
    ),
    Placebo(
        "cudnn-autotune-misnamed",
        "TF_USE_CUDNN_AUTOTUNE=0 (the variable is TF_CUDNN_USE_AUTOTUNE)",
        "cudnn-autotune-off",
        None,
        "no GPU here",
    ),
)
_REACH = (
    Level("same-process", "a second fit in the same process", True, "the same bits on mlp"),
    Level(
        "fresh-process", "another process", True, "the same bits on attention, cnn, lstm, mlp, text"
    ),
    Level(
        "hash-seed-and-order",
        "another hash seed and directory order",
        True,
        "the same bits on attention, cnn, lstm, mlp, text",
    ),
    Level(
        "thread-count",
        "another thread count",
        False,
        "other bits on cnn",
        _divergence(("forward", 0, "conv2d")),
    ),
    Level(
        "instruction-set",
        "an older instruction set in oneDNN, XLA or ATen",
        False,
        "other bits on cnn, attention",
        _divergence(("forward", 0, "conv2d")),
    ),
    Level("device", "another device", None, "no GPU here"),
)


def full() -> Audit:
    """A whole scan on two cores: every kind of verdict but ``broken``."""
    return Audit(
        options={
            "python": "/home/ada/venv/bin/python",
            "backend": "tensorflow",
            "device": "cpu",
            "depth": "default",
            "seed": 1,
            "jobs": 2,
            "trials": 2,
        },
        machine={
            "processor": {
                "brand": "Intel(R) Xeon(R) Processor @ 2.10GHz",
                "flags": ["avx2", "avx512f"],
            },
            "cores": {"available": 2, "logical": 2},
            "memory": {"total": 8_000_000_000},
            "hostname": "analytical-engine",
        },
        environment={
            "python": "3.11.9",
            "packages": {"tensorflow": "2.21.0", "keras": "3.15.1", "numpy": "2.3.4"},
            "framework": {"backend": "tensorflow", "cuda": None},
            "variables": {
                "OMP_NUM_THREADS": "1",
                "AWS_SECRET_ACCESS_KEY": "hunter2",
                "XLA_FLAGS": "--xla_dump_to=/home/ada/dump",
            },
        },
        control=Control(
            tuple(Tally(replace(_BASE, model=model), 2, trials=(1, 2, 3, 4)) for model in MODELS)
        ),
        verdicts=tuple(_verdict(position, row) for position, row in enumerate(_ROWS)),
        matrix=_MATRIX,
        ladder=_LADDER,
        recipe=Recipe(
            "op-determinism",
            _LINES,
            (),
            True,
            10,
            "with exactly these lines, 5 pairs of fresh processes match on 5 models",
            tuple(Count("as printed", model, 5, 0) for model in MODELS),
            excluded_rate(5),
        ),
        placebos=_PLACEBOS,
        reach=_REACH,
        trials=_trials(),
        warnings=(
            "OMP_NUM_THREADS is set in your environment and may do nothing: see the placebo "
            "omp-num-threads (OMP_NUM_THREADS=1 with the pip build of TensorFlow)",
        ),
        began="2026-03-01T09:30:00+00:00",
        seconds=171.4,
        notes={"nests": 46},
    )


def broken() -> Audit:
    """The control parts: nothing else was tried."""
    kernel = Divergence("update", 17, "dense/kernel", "bits", Distance(1, 1, 1024, 400, 5.9e-08))
    tallies = tuple(
        Tally(
            replace(_BASE, model=model),
            1 if model == "cnn" else 2,
            1 if model == "cnn" else 0,
            kernel if model == "cnn" else None,
            trials=(1, 2, 3, 4),
        )
        for model in MODELS
    )
    return replace(
        full(),
        control=Control(tallies),
        verdicts=(),
        matrix=(),
        ladder=(),
        recipe=None,
        placebos=(),
        reach=(),
        trials=_trials()[:20],
        warnings=(),
        seconds=24.0,
    )


def single() -> Audit:
    """Two sources by name, strictly, one of them broken; hash-seed alone needs its pin."""
    chosen = [one for one in full().verdicts if one.source in ("hash-seed", "load")]
    load = replace(
        chosen[1],
        verdict="broken",
        excluded_rate=None,
        divergence=_divergence(("update", 4, "conv2d/kernel")),
        counts=(Count("idle", "cnn", 4, 1), Count("busy", "cnn", 3, 2)),
        reason="pairs differ on cnn although everything is pinned (idle 1 of 5, busy 2 of 5), and no "
        "setting gives the same bits every time",
    )
    return replace(
        full(),
        verdicts=(chosen[0], load),
        matrix=(),
        ladder=(),
        recipe=None,
        placebos=(),
        reach=(),
        warnings=(),
        requested=("hash-seed", "load"),
        strict=True,
        trials=_trials()[:30],
        seconds=31.0,
    )


def cut() -> Audit:
    """Interrupted: what had been found until then."""
    return replace(
        full(),
        verdicts=full().verdicts[:5],
        matrix=(),
        ladder=(),
        recipe=None,
        placebos=(),
        reach=(),
        interrupted=True,
        resume="/var/tmp/ada/detaudit-x1/resume.json",
        trials=_trials()[:40],
        seconds=12.0,
    )


AUDITS = {"full": full, "broken": broken, "single": single, "cut": cut}
