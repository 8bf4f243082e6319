"""The base condition: seeds, hash seed, orders and one thread pinned, and no op determinism."""

from collections.abc import Iterable, Mapping

from detaudit_probes import sources
from detaudit_probes.backends import KNOWN
from detaudit_probes.declare import Compare, Pin, Source, Unpin
from detaudit_probes.kit import models
from detaudit_probes.placebos import PLACEBOS
from detaudit_probes.protocol import NO_SETTINGS

from detaudit.core.condition import FLAG_LISTS, Condition


def keras_backend(backend: str) -> str:
    """Return Keras' name of the backend: several adapters are for TensorFlow, with different
    versions of Keras. A name that is not known is returned as it is.
    """
    return KNOWN[backend].keras_name if backend in KNOWN else backend


def known_pins(backend: str | None = None) -> dict[str, Pin]:
    """Return the pins of all sources, or of those that exist on a backend."""
    return {
        pin.id: pin
        for source, _ in sources.declared().values()
        if backend is None or backend in source.backends
        for pin in source.pins
    }


def script_sources(backend: str | None = None) -> dict[str, Source]:
    """Return the sources of a scan, and those that only a user's own script can have: all, or those
    of a backend.
    """
    return {
        name: source
        for name, (source, _) in sources.declared(sources.SCRIPT_MODULES).items()
        if backend is None or backend in source.backends
    }


def unset_script_pins(environment: Mapping[str, str]) -> tuple[str, ...]:
    """Return the pins that are applied to a user's script from outside, cheap and specific ones
    first, but for those that its environment sets already.
    """
    known = known_pins()
    return tuple(
        pin
        for pin in sources.SCRIPT_PINS
        if pin not in known or not is_set(known[pin], environment)
    )


def known_sources(backend: str | None = None) -> dict[str, Source]:
    """Return the sources of a scan: all of them, or those that exist on a backend, with their
    experiment there.
    """
    found = {name: source for name, (source, _) in sources.declared().items()}
    if backend is None:
        return found
    there = {
        name: on_backend(source, backend)
        for name, source in found.items()
        if backend in source.backends
    }
    return {name: source for name, source in there.items() if source.experiment is not None}


def on_backend(source: Source, backend: str) -> Source:
    """Return the source with its experiment on a backend, on those of the tiny models that are
    trained there.
    """
    experiment = source.per_backend.get(backend, source.experiment)
    if experiment is None:
        return source._replace(experiment=None)
    trained = tuple(
        name
        for name in experiment.models
        if name not in models.NAMES or name in models.names(backend)
    )
    return source._replace(experiment=experiment._replace(models=trained))


def component_models() -> tuple[str, ...]:
    """Return the names of the models whose components have seeds of their own."""
    return tuple(models.COMPONENTS)


def components(model: str, backend: str) -> list[tuple[str, ...]]:
    """Return the random components of a model on a backend, together those that draw from the
    backend's generator, which come last.
    """
    names = models.COMPONENTS[model]
    shared = tuple(name for name in names if not has_own_seed(name, backend))
    return [*((name,) for name in names if name not in shared), shared]


def has_own_seed(component: str, backend: str) -> bool:
    """Whether a component takes a seed; otherwise it draws from the backend's generator."""
    return component not in models.without_own_seed(keras_backend(backend))


def family(name: str, backend: str) -> tuple[str, ...]:
    """Return the sources of a family that exist on a backend."""
    return tuple(one.id for one in known_sources(backend).values() if one.family == name)


def base_condition(
    backend: str, device: str, seed: int, model: str = "mlp", on_gpu: bool = False
) -> Condition:
    """Return the condition with everything pinned that detaudit can pin without changing what is
    computed.

    On a GPU, one thread does not silence races: there, deterministic kernels are pinned as well,
    because otherwise no two runs of the control could be expected to match.
    """
    known = known_pins(backend)
    condition = Condition(
        backend,
        device,
        model,
        seed,
        settings=KNOWN[backend].settings if backend in KNOWN else NO_SETTINGS,
    )
    pins = sorted((pin for pin in known.values() if pin.in_base), key=lambda pin: pin.in_base)
    if on_gpu:
        added = (pin for pin in known.values() if pin.in_gpu_base)
        pins += sorted(added, key=lambda pin: pin.in_gpu_base)
    for pin in pins:
        condition = condition.with_pin(pin)
    return condition


def is_set(pin: Pin, variables: Mapping[str, str]) -> bool:
    """Whether the user's own ``variables`` have the effect of the pin already, with whatever value.
    A list of flags may contain others, and PYTHONHASHSEED=random sets no seed.
    """
    return bool(pin.environment) and all(
        name not in FLAG_LISTS and variables.get(name, "random") != "random"
        for name in pin.environment
    )


#: Variables that pin a source that should be unpinned. If they were inherited, they would pin a
#: race, which is then reported as "not observed", and make a recipe work whose lines do not name
#: them. (TensorFlow reads them in ``tensorflow/core/util/determinism.cc`` and
#: ``tensorflow/core/common_runtime/process_util.cc``.)
OUTSIDE_PINS = frozenset(
    {"TF_DETERMINISTIC_OPS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"}
)


def controlled_variables() -> set[str]:
    """Return the environment variables that a condition controls: those that sources and placebos
    set or unset, and pins from outside.
    """
    return (
        OUTSIDE_PINS
        | declared_variables(known_sources().values())
        | {name for one in PLACEBOS for name in one.environment}
    )


def declared_variables(declared: Iterable[Source]) -> set[str]:
    """Return the variables in the declarations of ``declared``."""
    names: set[str] = set()
    for source in declared:
        for pin in source.pins:
            names |= pin.environment.keys()
        for experiment in (source.experiment, *source.per_backend.values()):
            if isinstance(experiment, Unpin):
                names |= experiment.environment.keys()
            elif isinstance(experiment, Compare):
                names |= {name for setting in experiment.settings for name in setting.environment}
    return names
