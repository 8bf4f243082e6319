"""GPUs through NVML: which there are, their state, and what changed during an audit.

NVML may be absent, broken, or not know a function on one card; each of these is a fact with its
reason, never an exception. The binding is nvidia-ml-py's ``pynvml``; the functions and the bits
below are those of https://docs.nvidia.com/deploy/nvml-api/ (``nvml.h``), whose numbers stay the
same from release to release.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from types import ModuleType
from typing import Any

from detaudit.machine.reading import Facts, reason, said

#: ``nvmlClocksEventReasons``: why the clocks are as they are.
REASONS = {
    0x1: "idle",
    0x2: "application clocks",
    0x4: "software power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "software thermal slowdown",
    0x40: "hardware thermal slowdown",
    0x80: "hardware power brake",
    0x100: "display clocks",
}
#: The reasons that slow a card down against its owner's wish.
THROTTLING = frozenset(REASONS.values()) - {"idle", "application clocks", "display clocks"}

_COMPUTE_MODES = {0: "default", 1: "exclusive thread", 2: "prohibited", 3: "exclusive process"}
_COUNTERS = (
    ("corrected", "volatile", 0, 0),
    ("corrected", "aggregate", 0, 1),
    ("uncorrected", "volatile", 1, 0),
    ("uncorrected", "aggregate", 1, 1),
)
# nvmlPerfPolicyType_t: nanoseconds for which a card was slowed down, counted by the driver since it
# was loaded.
_HELD_BACK = {"power": 0, "thermal": 1, "board limit": 3, "reliability": 5}


@dataclass(frozen=True)
class Card:
    """One GPU. Memory in bytes, clocks in MHz, temperature in degrees Celsius.

    ``ecc_errors`` has keys such as ``"uncorrected volatile"``; volatile counters begin at zero with
    the driver, aggregate ones never. ``held_back`` is the number of nanoseconds for which the
    clocks were lowered, by cause. ``processes`` are those that compute on the card,
    ``processes_memory`` the bytes that they use together: detaudit's own trials are not running
    when a snapshot is taken.
    """

    index: int
    name: str | None
    capability: str | None
    memory_total: int | None
    memory_used: int | None
    ecc: bool | None
    ecc_pending: bool | None
    ecc_errors: dict[str, int]
    clocks: dict[str, int]
    temperature: int | None
    throttle: tuple[str, ...] | None
    held_back: dict[str, int]
    mig: bool | None
    compute_mode: str | None
    processes: int | None
    processes_memory: int | None
    unknown: dict[str, str]


@dataclass(frozen=True)
class Gpus:
    """A snapshot. ``problem`` says why NVML could not be used at all; then nothing else is
    known.
    """

    driver: str | None
    cuda: str | None
    cards: tuple[Card, ...]
    problem: str | None
    unknown: dict[str, str]


@dataclass(frozen=True)
class Change:
    """``what`` of the card ``index`` (None: of the machine) was ``before`` and is ``after``, in
    words.

    ``alarming`` changes cast doubt on the results of that time.
    """

    index: int | None
    what: str
    before: str
    after: str
    alarming: bool


def snapshot(nvml: ModuleType | None = None) -> Gpus:
    """Return the present state of the GPUs; ``nvml`` is the binding, by default ``pynvml``."""
    try:
        if nvml is None:
            import pynvml as nvml
        nvml.nvmlInit()
    except Exception as error:
        # The binding and the driver are not ours: whatever they raise, NVML cannot be used
        return Gpus(None, None, (), reason(error), {})
    unknown: dict[str, str] = {}
    facts = Facts("nvml", unknown)
    try:
        count = facts.read("count", nvml.nvmlDeviceGetCount) or 0
        cards = tuple(_card(nvml, index) for index in range(count))
        driver = facts.read("driver", lambda: _text(nvml.nvmlSystemGetDriverVersion()))
        cuda = facts.read("cuda", lambda: _cuda(nvml.nvmlSystemGetCudaDriverVersion()))
    finally:
        facts.read("shutdown", nvml.nvmlShutdown)
    return Gpus(driver, cuda, cards, None, unknown)


def _cuda(version: int) -> str:
    """12040 is 12.4."""
    return f"{version // 1000}.{version % 1000 // 10}"


def _text(value: str | bytes) -> str:
    # Old bindings return bytes
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


def _card(nvml: Any, index: int) -> Card:
    unknown: dict[str, str] = {}
    facts = Facts(f"card {index}", unknown)
    card = facts.read("handle", lambda: nvml.nvmlDeviceGetHandleByIndex(index))
    if card is None:  # fallen off the bus: every further call would return the same
        return Card(
            index,
            None,
            None,
            None,
            None,
            None,
            None,
            {},
            {},
            None,
            None,
            {},
            None,
            None,
            None,
            None,
            unknown,
        )
    memory = facts.read("memory", lambda: nvml.nvmlDeviceGetMemoryInfo(card))
    ecc = facts.read("ecc", lambda: nvml.nvmlDeviceGetEccMode(card))
    mig = facts.read("mig", lambda: nvml.nvmlDeviceGetMigMode(card))
    others = facts.read("processes", lambda: nvml.nvmlDeviceGetComputeRunningProcesses(card))
    return Card(
        index=index,
        name=facts.read("name", lambda: _text(nvml.nvmlDeviceGetName(card))),
        capability=facts.read(
            "capability", lambda: "{}.{}".format(*nvml.nvmlDeviceGetCudaComputeCapability(card))
        ),
        memory_total=memory and int(memory.total),
        memory_used=memory and int(memory.used),
        ecc=None if ecc is None else bool(ecc[0]),
        ecc_pending=None if ecc is None else bool(ecc[1]),
        ecc_errors=_each(
            facts,
            "ecc_errors",
            {
                f"{kind} {since}": lambda error=error, counter=counter: int(
                    nvml.nvmlDeviceGetTotalEccErrors(card, error, counter)
                )
                for kind, since, error, counter in _COUNTERS
            },
        ),
        clocks=_each(
            facts,
            "clocks",
            {
                name: lambda number=number: int(nvml.nvmlDeviceGetClockInfo(card, number))
                for name, number in (("graphics", 0), ("sm", 1), ("memory", 2))
            },
        ),
        temperature=facts.read("temperature", lambda: int(nvml.nvmlDeviceGetTemperature(card, 0))),
        throttle=facts.read("throttle", lambda: decoded(_throttle_bits(nvml, card))),
        held_back=_each(
            facts,
            "held_back",
            {
                name: lambda policy=policy: int(
                    nvml.nvmlDeviceGetViolationStatus(card, policy).violationTime
                )
                for name, policy in _HELD_BACK.items()
            },
        ),
        mig=None if mig is None else bool(mig[0]),
        compute_mode=facts.read(
            "compute_mode", lambda: _COMPUTE_MODES[nvml.nvmlDeviceGetComputeMode(card)]
        ),
        processes=None if others is None else len(others),
        processes_memory=facts.read("processes_memory", lambda: _memory_of(others)),
        unknown=unknown,
    )


def _each(facts: Facts, part: str, questions: dict[str, Any]) -> dict[str, int]:
    """Return the answers that were received, by name."""
    answers = {name: facts.read(f"{part}.{name}", question) for name, question in questions.items()}
    return {name: answer for name, answer in answers.items() if answer is not None}


def _throttle_bits(nvml: Any, card: Any) -> int:
    """NVML renamed the function with driver 535; a binding or a driver may know only one of the
    names.
    """
    try:
        return nvml.nvmlDeviceGetCurrentClocksThrottleReasons(card)
    except (AttributeError, nvml.NVMLError):
        return nvml.nvmlDeviceGetCurrentClocksEventReasons(card)


def decoded(bits: int) -> tuple[str, ...]:
    """Return the reasons whose bits are set; one that is not in the table is reported by its
    number.
    """
    return tuple(
        REASONS.get(1 << place, f"reason {1 << place:#x}")
        for place in range(bits.bit_length())
        if bits >> place & 1
    )


def _memory_of(processes: list[Any] | None) -> int:
    """Return bytes. Raises LookupError if the driver does not report them for a process, as in MIG
    mode.
    """
    sizes = [one.usedGpuMemory for one in said(processes)] if processes != [] else []
    if None in sizes:
        raise LookupError("the driver does not report the memory of every process")
    return sum(sizes)


def changes(before: Gpus, after: Gpus) -> tuple[Change, ...]:
    """Return the differences between two snapshots that affect trust in the results of that
    time.
    """
    found = []
    if before.problem != after.problem:
        found.append(
            Change(None, "NVML", before.problem or "answers", after.problem or "answers", True)
        )
    if before.driver and after.driver and before.driver != after.driver:
        found.append(Change(None, "driver", before.driver, after.driver, True))
    earlier, later = ({card.index: card for card in gpus.cards} for gpus in (before, after))
    if before.problem is None and after.problem is None:
        for index in sorted(earlier.keys() ^ later.keys()):
            found.append(
                Change(index, "the card", _there(index in earlier), _there(index in later), True)
            )
    for index in sorted(earlier.keys() & later.keys()):
        found += _changes_of(earlier[index], later[index])
    return tuple(found)


def _there(is_there: bool) -> str:
    return "there" if is_there else "absent"


def _changes_of(a: Card, b: Card) -> Iterator[Change]:
    if b.name is None and a.name is not None:
        lost = b.unknown.get(f"card {a.index}.handle") or b.unknown.get(
            f"card {a.index}.name", "unknown"
        )
        yield Change(a.index, "the card", "there", lost, True)
    for name in sorted(a.ecc_errors.keys() & b.ecc_errors.keys()):
        if b.ecc_errors[name] > a.ecc_errors[name]:
            yield Change(
                a.index,
                f"ECC errors, {name}",
                str(a.ecc_errors[name]),
                str(b.ecc_errors[name]),
                True,
            )
    for name in sorted(a.held_back.keys() & b.held_back.keys()):
        if b.held_back[name] > a.held_back[name]:
            milliseconds = (b.held_back[name] - a.held_back[name]) / 1e6
            yield Change(
                a.index, f"clocks lowered ({name})", "0 ms", f"{milliseconds:.0f} ms", False
            )
    for name in sorted(THROTTLING.intersection(b.throttle or ()) - set(a.throttle or ())):
        yield Change(a.index, "throttled", "not", name, False)
    for what, x, y in (
        ("ECC", a.ecc, b.ecc),
        ("MIG", a.mig, b.mig),
        ("compute mode", a.compute_mode, b.compute_mode),
    ):
        if None not in (x, y) and x != y:
            yield Change(a.index, what, _word(x), _word(y), True)
    if a.processes is not None and b.processes is not None and b.processes > a.processes:
        yield Change(a.index, "other processes", str(a.processes), str(b.processes), False)


def _word(value: bool | str | None) -> str:
    return value if isinstance(value, str) else "on" if value else "off"


def count(gpus: Gpus) -> int:
    """Return how many cards answered with a name; a framework may still see fewer
    (``CUDA_VISIBLE_DEVICES``).
    """
    return sum(card.name is not None for card in gpus.cards)


def present(gpus: Gpus) -> bool:
    return count(gpus) > 0


def missing(reason: str, gpus: Gpus) -> str:
    """Return why there is no GPU to train on, for a user who requested one: the framework's
    ``reason`` and the driver's.
    """
    names = [card.name for card in gpus.cards if card.name is not None]
    if names:
        driver = (
            f"although the driver lists {', '.join(names)}: this build may have no CUDA, or "
            f"CUDA_VISIBLE_DEVICES hides the card"
        )
    elif gpus.problem:
        driver = f"and the NVIDIA driver cannot be queried ({gpus.problem})"
    else:
        driver = "and the NVIDIA driver lists none"
    return (
        f"{reason[:1].upper()}{reason[1:]}, {driver}. Give --device cpu, or see `detaudit machine`."
    )


def document(gpus: Gpus) -> dict[str, Any]:
    """Return the snapshot as plain JSON values."""
    return {
        **asdict(gpus),
        "cards": [
            {**asdict(card), "throttle": None if card.throttle is None else list(card.throttle)}
            for card in gpus.cards
        ],
    }


def report(before: Gpus, after: Gpus) -> dict[str, Any]:
    """Return the later snapshot as plain JSON values, with the former state of the cards and the
    changes.
    """
    return {
        **document(after),
        "before": document(before)["cards"],
        "changes": [asdict(one) for one in changes(before, after)],
    }
