"""The base condition: seeds, hash seed, orders and one thread pinned, and no op determinism."""
from collections.abc import Iterable, Mapping

from detaudit_probes import sources
from detaudit_probes.declare import Compare, Loosen, Pin, Source
from detaudit_probes.placebos import PLACEBOS

from detaudit.condition import Condition

#: Keras' default is "auto"; the base compiles without XLA, which the source ``xla`` is about.
OPTIONS = {"jit_compile": False}


def known_pins() -> dict[str, Pin]:
    return {name: pin for name, (pin, _) in sources.pins().items()}


def script_sources() -> dict[str, Source]:
    """The sources of a scan, and those that only a user's own script can have."""
    return {name: source for name, (source, _) in sources.declared(sources.SCRIPT_MODULES).items()}


def known_sources() -> dict[str, Source]:
    """The sources of a scan."""
    return {name: source for name, (source, _) in sources.declared().items()}


def base_condition(backend: str, device: str, seed: int, model: str = "mlp") -> Condition:
    """Everything pinned that detaudit can pin without changing what is computed."""
    known = known_pins()
    condition = Condition(backend, device, model, seed).with_options(OPTIONS)
    for name in sources.BASE_PINS:
        condition = condition.with_pin(known[name])
    return condition


#: Variables that pin what a source lets loose. Inherited, they would hold a race that is told "not observed", and
#: a recipe whose lines do not name them. (TensorFlow reads them in ``tensorflow/core/util/determinism.cc`` and
#: ``tensorflow/core/common_runtime/process_util.cc``.)
OUTSIDE_PINS = frozenset({"TF_DETERMINISTIC_OPS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"})


def controlled_variables() -> set[str]:
    """The environment variables that a condition controls: what some source or placebo sets or unsets, and pins from
    outside."""
    return OUTSIDE_PINS | declared_variables(known_sources().values()) | {
        name for one in PLACEBOS for name in one.environment}


def declared_variables(declared: Iterable[Source]) -> set[str]:
    """The variables in the declarations of ``declared``."""
    names: set[str] = set()
    for source in declared:
        for pin in source.pins:
            names |= pin.environment.keys()
        if isinstance(source.experiment, Loosen):
            names |= source.experiment.environment.keys()
        elif isinstance(source.experiment, Compare):
            names |= {name for setting in source.experiment.settings for name in setting.environment}
    return names


def environment_for_nests(inherited: Mapping[str, str], controlled: Iterable[str], private: str) -> dict[str, str]:
    """What a nest inherits: the user's environment without the controlled variables, nothing written.

    Keras' home, Theano's compile folder and temporary files go to ``private``, the same in both nests;
    Python writes no bytecode into the environment under test.
    """
    gone = set(controlled)
    kept = {name: value for name, value in inherited.items() if name not in gone}
    flags = ",".join(part for part in (kept.get("THEANO_FLAGS"), f"base_compiledir={private}/theano") if part)
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", "KERAS_HOME": f"{private}/keras", "TMPDIR": f"{private}/tmp",
            "THEANO_FLAGS": flags}
