"""A library's threads update one model without locks, so updates race and some are lost.

gensim's Word2Vec, Doc2Vec and FastText train in ``workers`` threads, three by default ("for a fully
deterministically-reproducible run, you must also limit the model to a single worker thread", says
the documentation of Word2Vec). No seed affects this, nor the number of threads of NumPy. detaudit
pins it by letting the library train in one thread.
"""

import functools
import inspect
import sys

from detaudit_probes.declare import Edit, InScript, Link, Pin, Source

ID = "library-threads"
PIN = "one-library-thread"
#: The classes whose ``__init__`` takes the number of threads, for all that inherit from them: in
#: gensim 4 and before.
BASES = {
    "gensim.models.base_any2vec": "BaseWordEmbeddingsModel",
    "gensim.models.word2vec": "Word2Vec",
}
CALLS = ("Doc2Vec", "FastText", "Word2Vec")

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
        edits=(Edit("give", calls=CALLS, form="workers", value="1"),),
    ),
)


def touch(session):
    _follow(session, pinned=False)


def pin_script(session, name):
    _follow(session, pinned=True)


def _follow(session, pinned):
    for module, name in BASES.items():
        session.after_import(module, functools.partial(_loaded, session, module, name, pinned))


def _loaded(session, module, name, pinned):
    def wrapper(given):
        signature = inspect.signature(given)

        def __init__(*arguments, **named):
            try:
                call = signature.bind(*arguments, **named)
            except TypeError:  # the script's mistake
                return given(*arguments, **named)
            call.apply_defaults()
            if call.arguments.get("workers", 1) == 1:
                return given(*arguments, **named)
            session.drew(ID)
            if pinned:
                call.arguments["workers"] = 1
            return given(*call.args, **call.kwargs)

        return __init__

    session.wrap(getattr(sys.modules[module], name, None), "__init__", wrapper)
