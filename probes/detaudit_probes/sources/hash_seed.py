"""The hash seed: the iteration order of a set of strings varies from process to process.

When the interpreter starts, Python draws a number and salts the hash of every ``str`` and ``bytes``
with it. So the order of a set of strings, and every ``hash("...")`` used as a seed, vary from
process to process (CPython 3.3 and newer; dictionaries keep their insertion order since 3.7).
``PYTHONHASHSEED`` fixes the salt, but only if it is set *before* the interpreter starts; setting it
inside the script is too late.

``stable-hash`` pins less: what ``hash()`` answers, not the order of sets. If runs match with it, a
library calls ``hash()``, and the user's line that calls the library is reported.

The probe's model reads texts. Its vocabulary is ``enumerate(set(words))``, as in many scripts: in a
different order every word has a different token id and trains a different row of the embedding.
"""

import builtins
import json
import os
import zlib

from detaudit_probes.backends import BACKENDS
from detaudit_probes.declare import START, Edit, InScript, Link, Pin, Source, Unpin, Variation
from detaudit_probes.kit.models import Tiny, spread, stack

ID = "hash-seed"
STABLE = "stable-hash"

SOURCE = Source(
    id=ID,
    family="order",
    title="Python's hash seed",
    breaks="A vocabulary built from a set of strings numbers its words differently in every process.",
    backends=BACKENDS,
    experiment=Unpin(
        models=("source:hash-seed",), environment={"PYTHONHASHSEED": "{draw}"}, pins=(ID,)
    ),
    pins=(
        Pin(
            id=ID,
            in_base=80,
            sources=(ID,),
            takes_effect=START,
            environment={"PYTHONHASHSEED": "0"},
            note="set it before Python starts; setting PYTHONHASHSEED inside the script does nothing",
        ),
        Pin(
            id=STABLE,
            sources=(ID,),
            note="for detaudit run only: it tells values of hash() from the order of sets",
        ),
    ),
    links=(
        Link(
            "PYTHONHASHSEED", "https://docs.python.org/3/using/cmdline.html#envvar-PYTHONHASHSEED"
        ),
        Link(
            "object.__hash__: why it is salted",
            "https://docs.python.org/3/reference/datamodel.html#object.__hash__",
        ),
        Link(
            "Keras issue 2280: reproducible results",
            "https://github.com/keras-team/keras/issues/2280",
        ),
    ),
    quick=True,
    advice="Alternatively, sort the set before you number its elements: vocabulary = sorted(set(words)).",
    script=InScript(
        ID,
        rank=10,
        counted=False,
        at_start=True,
        sites=False,
        answers=STABLE,
        edits=(Edit("order"),),
    ),
    variation=Variation("another hash seed", {"PYTHONHASHSEED": "4321"}),
)

_hash = hash

SENTENCES = (
    "the quick brown fox jumps over the lazy dog",
    "a stitch in time saves nine times the work",
    "all that glitters is seldom made of solid gold",
    "many small streams make one great slow river",
)


def model(trial):
    import keras
    import numpy

    texts = [sentence.split() for sentence in SENTENCES]
    vocabulary = {
        word: number for number, word in enumerate({word for text in texts for word in text})
    }
    trial.count(ID, len(vocabulary))  # the words whose token id depends on the order of a set
    length = max(map(len, texts))
    tokens = [[vocabulary[word] for word in (text * 2)[:length]] for text in texts]
    network = stack(
        (length,),
        [
            keras.layers.Embedding(len(vocabulary), 4),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1),
        ],
        dtype="int32",
    )
    return Tiny(network, numpy.array(tokens, dtype="int32"), spread(len(texts), 1), epochs=2)


def spy(session):
    """Record the lines that ask for the hash of a text, or call what asks for it."""

    def recorded(text):
        session.drew(ID)
        return _hash(text)

    _answer(session, recorded)


def pin_script(session, name):
    """Let ``hash()`` of a text be the same in every process. Python itself, in C, does not ask it:
    sets keep their order. The source's own setting is a list of the lines that get such answers, as
    JSON: ``[["train.py", 9]]``.
    """
    if name == STABLE:
        lines = {tuple(line) for line in json.loads(session.own_setting(ID) or "[]")}
        root = os.path.realpath(session.orders.root)

        def stable(text):
            place = session.sites.innermost()
            asked = place and (os.path.relpath(place.file, root), place.line) in lines
            return _stable(text) if asked else _hash(text)

        _answer(session, stable)


def _answer(session, answer):
    def wrapper(given):
        def hash(thing):
            return answer(thing) if type(thing) in (str, bytes) else given(thing)

        return hash

    session.wrap(builtins, "hash", wrapper)


def _stable(text):
    """Return 62 bits that depend on the text only."""
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    return zlib.crc32(text) << 30 | zlib.crc32(text[::-1], 1) >> 2
