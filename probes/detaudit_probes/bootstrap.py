"""Started by path inside the interpreter under test: gates its version, then hands over to the
nest.

Usage: PYTHON bootstrap.py GUEST_FOLDER CONTROL_FOLDER

GUEST_FOLDER is a private folder that holds nothing but a link to this package. This file must
parse on Python 2.7, so that an interpreter that is too old can say so.
"""

import json
import os
import sys

LOWEST = (3, 6)


def main():
    guest, control = sys.argv[1:3]
    # The folder of this file comes first on the path, but where PYTHONSAFEPATH is set: its modules
    # (trace, ...) must not hide others.
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    if sys.version_info[:2] < LOWEST:
        refuse(
            control,
            "Python %d.%d is older than the oldest that can be audited, %d.%d"
            % (sys.version_info[:2] + LOWEST),
        )
        return 1
    # First: a detaudit of another version may be installed here
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
