"""Experiment trackers and uploads: offline in trials, by their own variables, unless the user
allows uploads.

The variables are those that each library reads: WANDB_MODE (W&B), MLFLOW_TRACKING_URI (MLflow),
HF_HUB_OFFLINE (Hugging Face Hub, which then loads only from its cache), COMET_START_ONLINE
(``comet_ml.start``) and CLEARML_OFFLINE_MODE (ClearML).
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

#: By the module that a script imports: the library's name, and the variable that keeps it offline.
OFFLINE = {
    "wandb": ("Weights & Biases", "WANDB_MODE", "offline"),
    "mlflow": ("MLflow", "MLFLOW_TRACKING_URI", "{folder}"),
    "huggingface_hub": ("the Hugging Face Hub", "HF_HUB_OFFLINE", "1"),
    "comet_ml": ("Comet", "COMET_START_ONLINE", "false"),
    "clearml": ("ClearML", "CLEARML_OFFLINE_MODE", "1"),
}


#: The user's own values that keep a tracker offline too.
QUIET = {
    "WANDB_MODE": ("disabled", "dryrun", "offline"),
    "HF_HUB_OFFLINE": ("1", "ON", "YES", "TRUE"),
}


def variables(folder: Path, inherited: Mapping[str, str]) -> dict[str, str]:
    """Return the variables to set in a trial; MLflow's files go to ``folder``. Variables that
    already keep a tracker offline are unchanged.
    """
    return {
        name: value.format(folder=folder.as_uri())
        for _, name, value in OFFLINE.values()
        if inherited.get(name) not in QUIET.get(name, ())
    }


def notes(imported: Iterable[str], more: str = "") -> tuple[str, ...]:
    """Return a sentence for each tracker that the script has imported, with ``more`` behind it."""
    return tuple(
        f"{OFFLINE[module][0]} was kept offline ({OFFLINE[module][1]}){more}"
        for module in sorted(imported)
        if module in OFFLINE
    )
