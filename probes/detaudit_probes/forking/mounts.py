"""Overlays in a mount namespace of a process's own: entered between a fork and the program, or in a
forked child of the user's program.

Only the standard library and the C library. Only Linux has this; elsewhere, and if a container
forbids it, :func:`enter` raises OSError. Constants are those of <sched.h> and <sys/mount.h>,
options those of https://docs.kernel.org/filesystems/overlayfs.html.
"""

import contextlib
import ctypes
import os
import sys
from typing import Any, Iterator, Mapping, Optional

_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18


def enter(plan: Mapping[str, Any]) -> None:
    """Leave the system's mounts and see overlays in their place.

    ``plan`` has ``layers``, a list of ``path`` (the covered folder), ``lower`` (folders, the upper
    ones first; None stands for the content of ``path``), ``upper``, ``work`` and ``bind`` (an empty
    folder, used only if the content of ``path`` is a lower layer), outer paths before those below
    them; ``keep``, folders that stay as they are although an overlay covers them; ``renamed``,
    pairs of a folder and a path that leads to it too; and ``cwd``. Must be called by a process
    with one thread, after a fork. Raises OSError.
    """
    if not sys.platform.startswith("linux"):
        raise OSError("no mount namespaces on this system")
    library = ctypes.CDLL(None, use_errno=True)
    users = _unshare(library)
    _mount(library, None, "/", None, _RECURSIVE | _PRIVATE, None)
    with contextlib.ExitStack() as opened:
        kept = [(path, opened.enter_context(_folder(path))) for path in plan["keep"]]
        for layer in plan["layers"]:
            # Pristine folders are bound before anything covers them: they are lower layers that
            # none of the system's own mounts, perhaps another overlay, can hide.
            if None not in layer["lower"]:
                continue
            _mount(library, layer["path"], layer["bind"], None, _BIND, None)
        for layer in plan["layers"]:
            _mount(library, "overlay", layer["path"], "overlay", 0, _options(layer, users))
            for path, descriptor in kept:  # our own folder may be below what was just covered
                _mount(
                    library, "/proc/self/fd/%d" % descriptor, path, None, _BIND | _RECURSIVE, None
                )
    for folder, path in plan["renamed"]:
        _mount(library, folder, path, None, _BIND, None)
    os.chdir(plan["cwd"])  # the old working folder is below the overlay


@contextlib.contextmanager
def _folder(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unshare(library: Any) -> bool:
    """Enter a mount namespace, in a user namespace if the process has no right to one. Return
    whether it is in one.
    """
    if library.unshare(_NEW_MOUNTS) == 0:
        return False
    user, group = os.geteuid(), os.getegid()
    _check(library.unshare(_NEW_MOUNTS | _NEW_USERS), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", "%d %d 1" % (user, user)),
        ("gid_map", "%d %d 1" % (group, group)),
    ):
        with open("/proc/self/" + name, "w") as file:
            file.write(text)
    return True


def _options(layer: Mapping[str, Any], users: bool) -> str:
    lower = ":".join(_escaped(path or layer["bind"]) for path in layer["lower"])
    options = "lowerdir=%s,upperdir=%s,workdir=%s" % (
        lower,
        _escaped(layer["upper"]),
        _escaped(layer["work"]),
    )
    # Without redirects, a folder that existed before cannot be renamed; a user namespace may not
    # use them.
    return options + (",userxattr" if users else ",redirect_dir=on")


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _mount(
    library: Any,
    source: Optional[str],
    target: str,
    kind: Optional[str],
    flags: int,
    options: Optional[str],
) -> None:
    words = [
        None if word is None else os.fsencode(word) for word in (source, target, kind, options)
    ]
    status = library.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    _check(status, "mount %s on %s" % (kind or "bind", target))


def _check(status: int, what: str) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, "%s: %s" % (what, os.strerror(number)))
