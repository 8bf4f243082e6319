"""Threads of a library that update one model without locks: which update comes first, and which
one is lost, is a race.

gensim's Word2Vec, Doc2Vec and FastText train in ``workers`` threads, three by default ("for a fully
deterministically-reproducible run, you must also limit the model to a single worker thread", says
the documentation of Word2Vec). No seed affects this, nor the number of threads of NumPy. detaudit
pins this source from outside with one such thread.
"""

import functools
import inspect
import sys

from detaudit_probes.declare import Edit, InScript, Link, Pin, Source

ID = "library-threads"
PIN = "one-library-thread"
#: The classes whose argument ``workers`` is the number of threads, by their modules.
CLASSES = {
    "gensim.models.doc2vec": "Doc2Vec",
    "gensim.models.fasttext": "FastText",
    "gensim.models.word2vec": "Word2Vec",
}

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="a library's own threads",
    breaks="Threads of the library update one model without locks, so a race decides what it learns.",
    experiment=None,
    pins=(
        Pin(
            id=PIN,
            sources=(ID,),
            lines={"*": ("model = gensim.models.Word2Vec(texts, seed={seed}, workers=1)",)},
            note="the library trains in one thread",
        ),
    ),
    links=(
        Link("gensim: Word2Vec", "https://radimrehurek.com/gensim/models/word2vec.html"),
        Link("Hogwild!: lock-free parallel SGD", "https://arxiv.org/abs/1106.5730"),
    ),
    advice="Let the library train in one thread: workers=1.",
    script=InScript(
        PIN,
        rank=125,
        race=True,
        edits=(
            Edit("set", calls=tuple(CLASSES.values()), form="workers", value="1"),
            Edit("add", calls=tuple(CLASSES.values()), form="workers=1"),
        ),
    ),
)


def touch(session):
    _follow(session, one=False)


def pin_script(session, name):
    _follow(session, one=True)


def _follow(session, one):
    for module, name in CLASSES.items():
        session.after_import(module, functools.partial(_loaded, session, module, name, one))


def _loaded(session, module, name, one):
    def wrapper(given):
        signature = inspect.signature(given)

        def __init__(*arguments, **named):
            call = signature.bind(*arguments, **named)
            call.apply_defaults()
            if call.arguments.get("workers", 1) != 1:
                session.drew(ID)
                if one:
                    call.arguments["workers"] = 1
                    return given(*call.args, **call.kwargs)
            return given(*arguments, **named)

        return __init__

    session.wrap(getattr(sys.modules[module], name, None), "__init__", wrapper)
