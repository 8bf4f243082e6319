"""A fault on demand: a bit is flipped in the live weights of a training, under the condition that
``plant.json`` names.

Loaded in a guest as a third party's file. The flip is made in the live variable, after the update
and before it is read: the trace is never touched. ``plant.json`` is beside the copy of this file
that a test makes:

``{"when": "always"}``
    in every trial, at a place drawn from the operating system
``{"when": "unpinned", "source": ID}``
    likewise, but only if no pin of the trial's condition covers ID
``{"when": "setting"}``
    at a place that the trial's settings decide: runs match within each setting
``{"when": "option"}``
    as the trial's option ``plant`` says, one bit of one variable at one step:
    ``{"variable": N, "step": N, "element": N, "bit": N, "slot": false}`` as JSON

``"available": true`` besides: sources that need a GPU are tried on what is there.
"""

import hashlib
import json
import os

from detaudit_probes import backends, sources
from detaudit_probes.declare import Compare, Source, Unpin
from detaudit_probes.trials import recorder, worker

with open(os.path.join(os.path.dirname(__file__), "plant.json")) as file:
    PLANT = json.load(file)

#: A module declares a source; this one is never tried.
SOURCE = Source(
    id="plant",
    family="generators",
    title="a plant",
    breaks="",
    experiment=Unpin(models=("mlp",)),
    backends=(),
)

_real_urandom = os.urandom  # before a pin replaces it
_trials = []


def place(step):
    """A number that decides which bit is flipped at this step, or None for no flip."""
    trial = _trials[-1]
    when = PLANT["when"]
    if when == "always" or (when == "unpinned" and not trial.is_pinned(PLANT["source"])):
        return int.from_bytes(_real_urandom(4), "little")
    if when == "setting":
        request = trial.request
        text = repr(
            (request.settings, request.orders, request.pins, _devices, variables_of_settings())
        )
        return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
    chosen = chosen_place()
    return chosen["element"] * 32 + chosen["bit"] if step == chosen.get("step") else None


def variables_of_settings():
    """The variables that a setting may set. The rest of the environment contains folders of this
    run, so a place derived from them would be random.
    """
    settings = [
        setting
        for source, _ in sources.declared().values()
        if isinstance(source.experiment, Compare)
        for setting in source.experiment.settings
    ]
    names = {name for setting in settings for name in setting.environment}
    names |= {name for pin, _ in sources.pins().values() for name in pin.environment}
    return [(name, os.environ.get(name)) for name in sorted(names)]


def chosen_place():
    """The place that the trial's own option names, or an empty one."""
    return json.loads(_trials[-1].own_setting("plant") or "{}")


def flip(variable, number):
    """Flip one low bit of one element of a live variable."""
    import numpy

    value = recorder_backend().read(variable)
    flat = value.reshape(-1).view("uint" + str(8 * value.dtype.itemsize))
    width = 8 * value.dtype.itemsize if PLANT["when"] == "option" else 16
    flat[number // 32 % flat.size] ^= flat.dtype.type(1 << (number % width))
    variable.assign(numpy.asarray(value))


def recorder_backend():
    return _trials[-1].backend


def floats(variables):
    return [one for one in variables if "float" in str(one.dtype)]


def spoil(model, step):
    number = place(step)
    if number is None:
        return
    chosen = chosen_place()
    variables = (
        floats(model.optimizer.variables)[1:]
        if chosen.get("slot")
        else floats(model.trainable_weights)
    )
    flip(variables[chosen.get("variable", 0) % len(variables)], number)


def remember(configure):
    def remembered(trial, declared):
        _trials.append(trial)
        return configure(trial, declared)

    return remembered


worker._provoke = remember(worker._provoke)
_step, _final, _value = recorder.Recorder.step, recorder.Recorder.final, recorder.Recorder.value


def step_spoiled(self, phase, step, model, returned, metrics):
    spoil(model, step)
    return _step(self, phase, step, model, returned, metrics)


def final_spoiled(self, model):
    if not self.recorded:  # no step was recorded: this is the only look
        spoil(model, 0)
    return _final(self, model)


def value_spoiled(self, stage, name, value, final=False):
    number = place(0)
    if number is not None:
        import numpy

        value = numpy.array(value)
        value.reshape(-1).view("uint16")[0] ^= (number % 65535) + 1
    return _value(self, stage, name, value, final)


recorder.Recorder.step, recorder.Recorder.final = step_spoiled, final_spoiled
recorder.Recorder.value = value_spoiled
_devices = []


def anywhere(configure):
    """Every device is the CPU: the experiments of a GPU's sources are run where there is none."""

    def configured(trial):
        _devices.append(trial.request.device)
        trial.request = trial.request._replace(device="cpu")
        return configure(trial)

    return configured


if PLANT.get("available"):
    adapter = backends.get("tensorflow")
    adapter.configure = anywhere(adapter.configure)
    for module in sources.MODULES:
        if hasattr(module, "available"):
            module.available = lambda trial: None
