"""Overlays in a mount namespace of a process's own: set up by the supervisor between its fork and
the program.

Only the standard library and the C library. Only Linux has this; elsewhere, and if a container
forbids it, :func:`enter` raises OSError. Constants are those of <sched.h> and <sys/mount.h>,
options those of https://docs.kernel.org/filesystems/overlayfs.html.
"""

import contextlib
import ctypes
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_NEW_MOUNTS, _NEW_USERS = 0x00020000, 0x10000000
TRY = ".detaudit-try"  # a file that is written into an overlay, to find out where it ends up
_BIND, _RECURSIVE, _PRIVATE = 4096, 16384, 1 << 18


def enter(plan: Mapping[str, Any]) -> None:
    """Leave the system's mounts and see overlays in their place.

    ``plan`` has ``layers``, a list of ``path`` (the covered folder), ``lower`` (folders, the upper
    ones first; None stands for the content of ``path``), ``upper``, ``work`` and ``bind`` (an empty
    folder), outer paths before those below them; ``keep``, folders that stay as they are although
    an overlay covers them; and ``cwd``. Must be called by a process with one thread, after a fork.
    Raises OSError.
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
            _mount(library, layer["path"], layer["bind"], None, _BIND, None)
        for layer in plan["layers"]:
            _mount(library, "overlay", layer["path"], "overlay", 0, _options(layer, users))
            for path, descriptor in kept:  # our own folder may be below what was just covered
                _mount(library, f"/proc/self/fd/{descriptor}", path, None, _BIND | _RECURSIVE, None)
    os.chdir(plan["cwd"])  # the old working folder is below the overlay


@contextlib.contextmanager
def _folder(path: str) -> Any:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _unshare(library: ctypes.CDLL) -> bool:
    """Enter a mount namespace, in a user namespace if the process has no right to one. Return
    whether it is in one.
    """
    if library.unshare(_NEW_MOUNTS) == 0:
        return False
    user, group = os.geteuid(), os.getegid()
    _check(library.unshare(_NEW_MOUNTS | _NEW_USERS), "unshare")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{user} {user} 1"),
        ("gid_map", f"{group} {group} 1"),
    ):
        with open(f"/proc/self/{name}", "w") as file:
            file.write(text)
    return True


def _options(layer: Mapping[str, Any], users: bool) -> str:
    lower = ":".join(_escaped(path or layer["bind"]) for path in layer["lower"])
    options = (
        f"lowerdir={lower},upperdir={_escaped(layer['upper'])},workdir={_escaped(layer['work'])}"
    )
    # Without redirects, a folder that existed before cannot be renamed; a user namespace may not
    # use them.
    return options + (",userxattr" if users else ",redirect_dir=on")


def _escaped(path: str) -> str:
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _mount(
    library: ctypes.CDLL,
    source: str | None,
    target: str,
    kind: str | None,
    flags: int,
    options: str | None,
) -> None:
    words = [
        None if word is None else os.fsencode(word) for word in (source, target, kind, options)
    ]
    status = library.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    _check(status, f"mount {kind or 'bind'} on {target}")


def _check(status: int, what: str) -> None:
    if status != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def below(root: str, text: str | None = None) -> list[str]:
    """Return mount points below ``root``, outer ones first; ``text`` is /proc/self/mountinfo
    (proc(5)), read if not given.
    """
    if text is None:
        try:
            with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
        except OSError:
            return []
    points = {_unescaped(line.split()[4]) for line in text.splitlines()}
    return sorted(point for point in points if point.startswith(os.path.join(root, "")))


def _unescaped(path: str) -> str:
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        path = path.replace(code, character)
    return path


def prepare(root: str, texts: Mapping[str, str], without: Iterable[str]) -> None:
    """Change the view at ``root`` before the program starts. A link is replaced and never written
    through.
    """
    for name in without:
        path = _inside(root, name)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
    for name, text in texts.items():
        replace_text(_inside(root, name), text)


def _inside(root: str, name: str) -> str:
    """Return the path of a name below ``root``. Raises OSError if the name leads out of it, because
    a view must not change other folders.
    """
    path = os.path.join(root, name)
    real = os.path.join(os.path.realpath(root), "")
    parent = os.path.join(
        os.path.realpath(os.path.dirname(path)), ""
    )  # a link to a folder elsewhere leads out too
    if os.path.isabs(name) or ".." in name.split(os.sep) or not parent.startswith(real):
        raise OSError(f"{name} is not below {root}")
    return path


def replace_text(path: str, text: str) -> None:
    """Put a new file in the place of whatever is at ``path``, with the permissions of what the name
    leads to.
    """
    draft = f"{path}.detaudit"
    mode = os.stat(path).st_mode & 0o7777 if os.path.exists(path) else 0o644
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode | 0o200)
    with os.fdopen(descriptor, "wb") as file:
        file.write(text.encode("utf-8"))
    os.chmod(draft, mode)
    os.replace(draft, path)


def states_in(upper: str) -> dict[str, list[int]]:
    """Return the names in an upper layer, each with its inode and time of change: files and links
    that were created, changed or (as whiteouts) removed, and empty new folders.
    """
    states: dict[str, list[int]] = {}
    for folder, folders, files in os.walk(upper):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        paths = [os.path.join(folder, name) for name in [*files, *links]]
        if not folders and not files and folder != upper:
            paths.append(folder)
        for path in paths:
            status = os.lstat(path)
            states[os.path.relpath(path, upper)] = [status.st_ino, status.st_ctime_ns]
    return states


def removable(folder: str) -> None:
    """Make a folder of layers removable: the kernel's own work folder has no permissions at all."""
    for parent, folders, _ in os.walk(folder):
        for name in folders:
            with contextlib.suppress(OSError):
                path = os.path.join(parent, name)
                if not os.path.islink(path):
                    os.chmod(path, 0o700)


def main(arguments: Sequence[str]) -> int:
    """Try a plan: ``mounts PLAN`` enters it and writes a file. A reason for a failure goes to
    standard error.
    """
    import json

    with open(arguments[0], encoding="utf-8") as file:
        plan = json.load(file)
    try:
        enter(plan)
        for layer in plan["layers"]:
            with open(os.path.join(layer["path"], TRY), "w", encoding="utf-8") as file:
                file.write("here")
    except OSError as error:
        print(error.strerror or error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
