"""The machine's load: does a training give the same bits while every core is busy with something
else?

It should: load changes no value. But it changes who comes first, so it brings out races that an
idle machine hides, and on a faulty machine heat and voltage. The probe trains on four threads, once
as the machine is and once beside processes that keep every core busy.
"""

import contextlib
import subprocess
import sys

from detaudit_probes.declare import EVERY_BACKEND, TF_KERAS, Compare, Link, Setting, Source
from detaudit_probes.kit import models, training
from detaudit_probes.protocol import Settings
from detaudit_probes.recording import facts

ID = "load"

# More than one thread, or there is nothing that load could disturb.
_THREADED = Settings(intra_op_threads=4, inter_op_threads=4)

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="the machine's load",
    breaks="A busy machine runs threads in another order.",
    backends=EVERY_BACKEND + TF_KERAS + ("tensorflow1",),
    experiment=Compare(
        models=("cnn",),
        settings=(
            Setting("idle", settings=_THREADED._replace(busy=False), without=("intra-op-threads",)),
            Setting("busy", settings=_THREADED._replace(busy=True), without=("intra-op-threads",)),
        ),
        procedure=True,
    ),
    links=(Link("Silent data corruptions at scale", "https://arxiv.org/abs/2102.11245"),),
    advice="Where load decides the bits, look for a race that an idle machine hides, or test the hardware.",
)

#: Burns until its input ends, which it does when the trial is gone, however that died.
_BURN = """
import os, threading
def end():
    os.read(0, 1)
    os._exit(0)
threading.Thread(target=end, daemon=True).start()
os.write(1, b"!")
while True:
    pass
"""


@contextlib.contextmanager
def burning(count):
    """Keep ``count`` processes busy meanwhile; yields them, all of them burning already."""
    with contextlib.ExitStack() as gone:
        burners = []
        for _ in range(count):
            burners.append(
                gone.enter_context(
                    subprocess.Popen(
                        [sys.executable, "-c", _BURN], stdin=subprocess.PIPE, stdout=subprocess.PIPE
                    )
                )
            )
            gone.callback(burners[-1].kill)
        for burner in burners:
            burner.stdout.read(1)
        yield burners


def train(trial, recorder):
    """The standard training of the model, beside one burning process a core where the settings
    say so.
    """
    tiny = models.build(trial.request.model, trial)
    training.compile_model(trial, tiny)
    with burning(facts.cores() if trial.settings.busy else 0) as burners:
        training.fit(trial, recorder, tiny)
        # Still burning at the end
        trial.count(ID, sum(burner.poll() is None for burner in burners))
