"""What confines this process: control groups, a container, a hypervisor.

In a container the host's counts are visible, but the group's limits bind. Both hierarchies are
read, as the kernel documents them: https://docs.kernel.org/admin-guide/cgroup-v2.html (``cpu.max``,
``memory.max``) and https://docs.kernel.org/admin-guide/cgroup-v1/ (``cpu.cfs_quota_us``,
``memory.limit_in_bytes``). The limits of every level above the process's own group apply too; the
lowest wins. ``root`` is the folder that contains ``/proc`` and ``/sys``.
"""

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

# Version 1 says "no limit" with the largest multiple of the page size that fits into 63 bits.
_NO_LIMIT = 1 << 60

_HYPERVISORS = {
    "qemu": "QEMU/KVM",
    "kvm": "KVM",
    "vmware": "VMware",
    "innotek": "VirtualBox",
    "virtualbox": "VirtualBox",
    "xen": "Xen",
    "amazon ec2": "Amazon EC2",
    "google": "Google Compute Engine",
    "microsoft corporation": "Hyper-V",
    "parallels": "Parallels",
    "bhyve": "bhyve",
    "digitalocean": "DigitalOcean",
    "openstack": "OpenStack",
}
_CONTAINERS = ("docker", "kubepods", "containerd", "libpod", "lxc")


def cores() -> int:
    """Return how many cores the process may run on, whatever its share of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def usable(cores: int | None, quota: float | None) -> int | None:
    """Return how many cores can be kept busy: the existing ones, within the ``quota`` of time. None
    if neither is known.
    """
    limits = (cores, math.ceil(quota) if quota else None)
    return min((limit for limit in limits if limit), default=None)


def cpu_quota(root: Path = Path("/")) -> float | None:
    """Return how many cores' worth of time the process may use, or None without a quota. Raises
    OSError or ValueError if the groups cannot be read.
    """
    found = [quota for level in _levels(root, "cpu") if (quota := _quota(level)) is not None]
    return min(found, default=None)


def memory_limit(root: Path = Path("/")) -> int | None:
    """Return the maximum memory in bytes that the process's group may use, or None without a limit.
    Raises OSError or ValueError if the groups cannot be read.
    """
    texts = [
        text
        for level in _levels(root, "memory")
        for name in ("memory.max", "memory.limit_in_bytes")
        if (text := _text(level / name))
    ]
    limits = [int(text) for text in texts if text != "max"]
    return min((limit for limit in limits if limit < _NO_LIMIT), default=None)


def _levels(root: Path, controller: str) -> Iterator[Path]:
    """Return the folders of the process's group and of every group above it, in both
    hierarchies.
    """
    for line in (_text(root / "proc/self/cgroup") or "").splitlines():
        number, controllers, group = line.split(":", 2)
        if number == "0":
            mounts = ["unified", "."]
        elif controller in controllers.split(","):
            mounts = [controllers, controller]
        else:
            continue
        parts = Path(group.lstrip("/")).parts
        for mount in mounts:
            for depth in range(len(parts), -1, -1):
                yield (root / "sys/fs/cgroup" / mount).joinpath(*parts[:depth])


def _quota(level: Path) -> float | None:
    text = _text(level / "cpu.max")
    if text is None:
        quota, period = _text(level / "cpu.cfs_quota_us"), _text(level / "cpu.cfs_period_us")
        text = f"{quota} {period}" if quota and period else "max 1"
    quota, period = text.split()
    return None if quota in ("max", "-1") else int(quota) / int(period)


def hypervisor(root: Path = Path("/")) -> str | None:
    """Return the hypervisor, by its own marks (DMI, ``/sys/hypervisor``); without a name if only
    the processor reports one.

    Of the firmware's text, only a name from a fixed list is returned.
    """
    marks = ("sys/hypervisor/type", "sys/class/dmi/id/sys_vendor", "sys/class/dmi/id/product_name")
    text = " ".join(_text(root / mark) or "" for mark in marks).lower()
    for mark, name in _HYPERVISORS.items():
        if mark in text:
            return name
    flagged = re.search(
        r"^flags\s*:.*\bhypervisor\b", _text(root / "proc/cpuinfo") or "", re.MULTILINE
    )
    return "unnamed hypervisor" if flagged else None


def container(environment: Mapping[str, str], root: Path = Path("/")) -> str | None:
    """Return the container, by the marks that its runtime leaves."""
    if "KUBERNETES_SERVICE_HOST" in environment:
        return "kubernetes"
    if "APPTAINER_CONTAINER" in environment or "SINGULARITY_CONTAINER" in environment:
        return "apptainer"
    for mark, name in (("run/.containerenv", "podman"), (".dockerenv", "docker")):
        if (root / mark).exists():
            return name
    groups = _text(root / "proc/1/cgroup") or ""
    return next((name for name in _CONTAINERS if name in groups), None)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
