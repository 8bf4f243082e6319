"""The machine's load: does training give the same bits while other processes keep every core busy?

It should, because load changes no value. But load changes which thread comes first, so it reveals
races that an idle machine hides, and it changes temperature and voltage, which can matter on a
faulty machine. The probe trains on four threads, once without extra load and once beside processes
that keep every core busy.
"""

import contextlib
import subprocess
import sys

from detaudit_probes.backends import EVERY_BACKEND, TF_KERAS
from detaudit_probes.declare import Compare, Link, Setting, Source, Variation
from detaudit_probes.kit import models, training
from detaudit_probes.protocol import Settings
from detaudit_probes.recording import facts

ID = "load"

# With one thread, there would be nothing that load could disturb.
_THREADED = Settings(intra_op_threads=4, inter_op_threads=4)

SOURCE = Source(
    id=ID,
    family="parallel arithmetic",
    title="the machine's load",
    breaks="On a busy machine, threads run in a different order.",
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
    advice="If load changes the bits, look for a race that an idle machine hides, or test the hardware.",
    variation=Variation("every core busy", settings=Settings(busy=True)),
)

#: Keeps a core busy until its input is closed, which happens when the trial ends in any way.
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
    """Keep ``count`` processes busy; yield their list once all of them are running."""
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
    """Run the model's standard training, beside one busy process per core if the settings ask for
    it.
    """
    tiny = models.build(trial.request.model, trial)
    training.compile_model(trial, tiny)
    with burning(facts.cores() if trial.settings.busy else 0) as burners:
        training.fit(trial, recorder, tiny)
        # Processes that are still running at the end
        trial.count(ID, sum(burner.poll() is None for burner in burners))
