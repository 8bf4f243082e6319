"""Started by path in the interpreter under test: checks its version, then starts the nest.

Usage: PYTHON bootstrap.py GUEST_FOLDER CONTROL_FOLDER

GUEST_FOLDER is a private folder that contains only a link to this package. This file must parse on
Python 2.7, so that an interpreter that is too old can report it.
"""

import json
import os
import sys

LOWEST = (3, 6)


def main():
    guest, control = sys.argv[1:3]
    # Unless PYTHONSAFEPATH is set, this file's folder is first on the path; its modules (trace,
    # ...) must not hide others.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    if sys.version_info[:2] < LOWEST:
        refuse(
            control,
            "Python %d.%d cannot be audited: the oldest supported version is Python %d.%d"
            % (sys.version_info[:2] + LOWEST),
        )
        return 1
    # First, because another version of detaudit may be installed here
    sys.path.insert(0, guest)
    from detaudit_probes.trials import nest

    return nest.main(control)


def refuse(control, message):
    draft = os.path.join(control, "hello.json.part")
    with open(draft, "w") as file:
        json.dump(
            {
                "protocol": 2,
                "pid": os.getpid(),
                "ready": False,
                "facts": {},
                "fingerprints": [],
                "failure": {"kind": "too-old", "message": message},
            },
            file,
        )
    os.rename(draft, os.path.join(control, "hello.json"))


if __name__ == "__main__":
    sys.exit(main())
