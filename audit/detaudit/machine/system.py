"""Facts about this machine that affect bits: processor, cores, memory, system, load.

A fact that cannot be read is None, with the reason under its name in ``Machine.unknown``; no fact
makes another one fail. The names of the host and of the user are never read.
"""

import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import psutil

from detaudit.machine import confinement
from detaudit.machine.reading import Facts, said

#: Instruction sets for which kernels have separate code: they decide how a sum is split.
FLAGS = (
    "sse4_1",
    "sse4_2",
    "avx",
    "avx2",
    "fma",
    "f16c",
    "avx_vnni",
    "avx10",
    "asimd",
    "sve",
    "sve2",
    "bf16",
    "i8mm",
)
FLAG_FAMILIES = ("avx512", "amx")


@dataclass(frozen=True)
class Processor:
    """``flags`` are the processor's flags among ``FLAGS`` and ``FLAG_FAMILIES``, as Linux spells
    them.
    """

    brand: str | None
    vendor: str | None
    architecture: str | None
    family: int | None
    model: int | None
    stepping: int | None
    microcode: str | None
    flags: tuple[str, ...] | None


@dataclass(frozen=True)
class Cores:
    """``available`` is what this process may use: affinity, and the cgroup's ``quota`` rounded
    up.
    """

    logical: int | None
    physical: int | None
    affinity: int | None
    quota: float | None
    available: int | None


@dataclass(frozen=True)
class Memory:
    """Bytes. ``limit`` is the cgroup's, None if there is none."""

    total: int | None
    available: int | None
    limit: int | None


@dataclass(frozen=True)
class System:
    """``hypervisor`` and ``container`` are hints: None if no sign of one was found."""

    system: str | None
    release: str | None
    distribution: str | None
    libc: str | None
    hypervisor: str | None
    container: str | None


@dataclass(frozen=True)
class Interpreter:
    """The Python in which detaudit itself runs, not the one under test."""

    version: str | None
    implementation: str | None
    compiler: str | None
    byteorder: str | None


@dataclass(frozen=True)
class Disk:
    """Bytes, of the filesystem that contains a folder. The order of its names depends on
    ``type``.
    """

    free: int | None
    total: int | None
    type: str | None


@dataclass(frozen=True)
class Machine:
    """``load`` is the load average over 1, 5 and 15 minutes. ``unknown`` maps ``part.fact`` to a
    reason.
    """

    processor: Processor
    cores: Cores
    memory: Memory
    system: System
    python: Interpreter
    temporary: Disk
    working: Disk
    load: tuple[float, float, float] | None
    unknown: Mapping[str, str]


def read(root: Path = Path("/"), environment: Mapping[str, str] = os.environ) -> Machine:
    """Read every fact. ``root`` is the folder that contains ``/proc``, ``/sys`` and the container
    marks.
    """
    unknown: dict[str, str] = {}
    return Machine(
        processor=_processor(Facts("processor", unknown), root),
        cores=_cores(Facts("cores", unknown), root),
        memory=_memory(Facts("memory", unknown), root),
        system=_system(Facts("system", unknown), root, environment),
        python=_python(Facts("python", unknown)),
        temporary=_disk(Facts("temporary", unknown), tempfile.gettempdir),
        working=_disk(Facts("working", unknown), os.getcwd),
        load=Facts("machine", unknown).read("load", lambda: os.getloadavg()),
        unknown=unknown,
    )


def document(machine: Machine) -> dict[str, Any]:
    """Return the facts as plain JSON values, allow-listed: the fields of the classes above and no
    others.
    """
    parts = {field.name: getattr(machine, field.name) for field in fields(Machine)}
    plain = {
        name: asdict(part) for name, part in parts.items() if hasattr(part, "__dataclass_fields__")
    }
    flags = machine.processor.flags
    plain["processor"]["flags"] = None if flags is None else list(flags)
    return {
        **plain,
        "load": None if machine.load is None else [round(one, 2) for one in machine.load],
        "unknown": dict(machine.unknown),
    }


def describe() -> dict[str, Any]:
    """Return :func:`document` of this machine as it is now. It takes some milliseconds on Linux and
    starts no process.
    """
    return document(read())


def identity() -> dict[str, Any]:
    """Return what must be the same for earlier trials to be valid for this machine; equal after a
    round trip through JSON.
    """
    found = describe()
    cores = {name: found["cores"][name] for name in ("logical", "affinity", "quota")}
    system = {
        name: found["system"][name]
        for name in ("system", "release", "libc", "hypervisor", "container")
    }
    return {"processor": found["processor"], "cores": cores, "system": system}


def _processor(facts: Facts, root: Path) -> Processor:
    """From ``/proc/cpuinfo`` if it is sufficient: py-cpuinfo starts processes for this, which take
    over a second.
    """
    path = root / "proc/cpuinfo"
    found = (
        facts.read("brand", lambda: _of_cpuinfo(path.read_text()) if path.exists() else {}) or {}
    )
    if not found.get("brand") or not found.get("flags"):
        asked = facts.read("brand", _asked_of_library) or {}
        found = {**asked, **{name: value for name, value in found.items() if value is not None}}
    architecture = facts.read("architecture", lambda: said(platform.machine()))
    return Processor(
        brand=facts.read("brand", lambda: said(found.get("brand"))),
        vendor=found.get("vendor"),
        architecture=architecture,
        family=found.get("family"),
        model=found.get("model"),
        stepping=found.get("stepping"),
        microcode=found.get("microcode"),
        flags=facts.read("flags", lambda: relevant(said(found.get("flags")))),
    )


def _of_cpuinfo(text: str) -> dict[str, Any]:
    """Return the first processor's entries. On ARM they contain no model name."""
    lines = (line.partition(":") for line in text.split("\n\n", 1)[0].splitlines())
    entries = {key.strip(): value.strip() for key, _, value in lines}
    found: dict[str, Any] = {
        "brand": entries.get("model name"),
        "vendor": entries.get("vendor_id"),
        "microcode": entries.get("microcode"),
    }
    for name, key in (("family", "cpu family"), ("model", "model"), ("stepping", "stepping")):
        found[name] = int(entries[key]) if entries.get(key, "").isdigit() else None
    found["flags"] = (entries.get("flags") or entries.get("Features") or "").split() or None
    return found


def _asked_of_library() -> dict[str, Any]:
    import cpuinfo  # its import starts a process too

    info = cpuinfo.get_cpu_info()
    names = {
        "brand": "brand_raw",
        "vendor": "vendor_id_raw",
        "family": "family",
        "model": "model",
        "stepping": "stepping",
        "flags": "flags",
    }
    found = {
        name: info[theirs] for name, theirs in names.items() if info.get(theirs) not in (None, "")
    }
    return found


def relevant(flags: Iterable[str]) -> tuple[str, ...]:
    """Return the flags that decide which kernels run, sorted."""
    return tuple(
        sorted({flag for flag in flags if flag in FLAGS or flag.startswith(FLAG_FAMILIES)})
    )


def _cores(facts: Facts, root: Path) -> Cores:
    logical = facts.read("logical", lambda: said(psutil.cpu_count(logical=True)))
    physical = facts.read("physical", lambda: said(psutil.cpu_count(logical=False)))
    affinity = facts.read("affinity", lambda: len(psutil.Process().cpu_affinity()))
    quota = facts.read("quota", lambda: confinement.cpu_quota(root))
    available = confinement.usable(affinity or logical, quota)
    return Cores(logical, physical, affinity, quota, available)


def _memory(facts: Facts, root: Path) -> Memory:
    total = facts.read("total", lambda: psutil.virtual_memory().total)
    available = facts.read("available", lambda: psutil.virtual_memory().available)
    limit = facts.read("limit", lambda: confinement.memory_limit(root))
    return Memory(total, available, limit)


def _system(facts: Facts, root: Path, environment: Mapping[str, str]) -> System:
    return System(
        system=facts.read("system", lambda: said(platform.system())),
        release=facts.read("release", lambda: said(platform.release())),
        distribution=facts.read("distribution", _distribution),
        libc=facts.read(
            "libc", lambda: said(" ".join(part for part in platform.libc_ver() if part))
        ),
        hypervisor=facts.read("hypervisor", lambda: confinement.hypervisor(root)),
        container=facts.read("container", lambda: confinement.container(environment, root)),
    )


def _distribution() -> str:
    if platform.system() == "Linux":
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    return f"macOS {said(platform.mac_ver()[0])}"


def _python(facts: Facts) -> Interpreter:
    return Interpreter(
        facts.read("version", platform.python_version),
        facts.read("implementation", platform.python_implementation),
        facts.read("compiler", platform.python_compiler),
        facts.read("byteorder", lambda: sys.byteorder),
    )


def _disk(facts: Facts, folder: Callable[[], str]) -> Disk:
    where = facts.read("folder", folder)
    if where is None:
        return Disk(None, None, None)
    return Disk(
        facts.read("free", lambda: shutil.disk_usage(where).free),
        facts.read("total", lambda: shutil.disk_usage(where).total),
        facts.read("type", lambda: _filesystem(where)),
    )


def _filesystem(folder: str) -> str:
    """Return the type of the filesystem with the longest mount point above ``folder``."""
    path = Path(folder).resolve()
    mounts = [
        one for one in psutil.disk_partitions(all=True) if path.is_relative_to(one.mountpoint)
    ]
    if not mounts:
        raise LookupError("no mount point above it is listed")
    return max(mounts, key=lambda one: len(one.mountpoint)).fstype
