"""What the supervisor does around the overlays that :mod:`detaudit_probes.forking.mounts` enters:
the view is prepared before the program starts, and its layers show what was written.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterable, Mapping, Sequence

from detaudit_probes.forking.mounts import enter

TRY = ".detaudit-try"  # a file that is written into an overlay, to find out where it ends up


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
    that were created, changed or (as whiteouts) removed, empty new folders, and folders that were
    removed and made again.
    """
    states: dict[str, list[int]] = {}
    for folder, folders, files in os.walk(upper):
        links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
        paths = [os.path.join(folder, name) for name in [*files, *links]]
        if folder != upper and (_is_opaque(folder) or not (folders or files)):
            paths.append(folder)
        for path in paths:
            status = os.lstat(path)
            states[os.path.relpath(path, upper)] = [status.st_ino, status.st_ctime_ns]
    return states


def _is_opaque(folder: str) -> bool:
    """Whether a folder of an upper layer hides the one below it."""
    for name in ("trusted.overlay.opaque", "user.overlay.opaque"):
        with contextlib.suppress(OSError):
            if os.getxattr(folder, name) == b"y":
                return True
    return False


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
