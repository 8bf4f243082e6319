"""Read the files that ``protocol.CONTENTS_REQUEST`` in a trial's folder lists, and write what is in
them to ``protocol.CONTENTS_FILE``.
"""

import json
import os
import sys

from detaudit_probes import codec, protocol
from detaudit_probes.contents import formats
from detaudit_probes.recording.trace import write_json

MOST_FILES = 500  # that are read by their content; the others are compared by their bytes


def main(folder: str) -> int:
    with open(os.path.join(folder, protocol.CONTENTS_REQUEST), encoding="utf-8") as file:
        asked = codec.decode(protocol.ContentsRequest, json.load(file))
    read = [
        formats.read(one.name, one.path, place < MOST_FILES)
        for place, one in enumerate(asked.files)
    ]
    contents = protocol.Contents(tuple(one for one in read if one is not None))
    write_json(os.path.join(folder, protocol.CONTENTS_FILE), codec.encode(contents))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
