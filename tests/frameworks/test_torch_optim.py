"""Plain PyTorch: the steps of ``torch.optim`` are observed, whoever wrote the loop, and nothing is
added to what is computed.

Tried where Torch is installed beside the tests, or in the interpreter that
``_DETAUDIT_TORCH_PYTHON`` names.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interpreters import with_backend
from tests.slow import slow

pytestmark = [pytest.mark.framework, slow]

SCRIPT = """
import os, torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden, self.out = nn.Linear(8, 16), nn.Linear(16, 1)

    def forward(self, x):
        return self.out(torch.relu(self.hidden(x)))

torch.manual_seed(1)
x = torch.randn(256, 8)
y = (x.sum(1, keepdim=True) > 0).float()
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), 32, shuffle=True)
model = Net()
optimizer = torch.optim.{optimizer}
next(iter(data))  # looked at, and never trained on
for number, (a, b) in enumerate([batch for epoch in range(2) for batch in data]):
    {fault}
    optimizer.zero_grad()
    loss = nn.functional.binary_cross_entropy_with_logits(model(a), b)
    loss.backward()
    {before_step}
    optimizer.step()
torch.save(model.state_dict(), "model.pt")
"""
ADAM, SGD = "Adam(model.parameters(), 0.01)", "SGD(model.parameters(), 0.1, momentum=0.9)"
NOISE = "int.from_bytes(os.urandom(4), 'little')"


@pytest.fixture
def audited(tmp_path):
    python = with_backend("torch")

    def run(optimizer=ADAM, fault="", before_step="", text=SCRIPT):
        folder, saved = tmp_path / "project", tmp_path / "report.json"
        folder.mkdir()
        text = text.format(optimizer=optimizer, fault=fault, before_step=before_step)
        (folder / "train.py").write_text(text)
        command = [sys.executable, "-m", "detaudit", "run", "--no-search", "--quiet"]
        command += ["--json", str(saved), "--python", python, "train.py"]
        subprocess.run(command, cwd=folder, capture_output=True)
        return json.loads(saved.read_text(encoding="utf-8"))

    return run


@pytest.mark.parametrize("optimizer", [ADAM, SGD, "RMSprop(model.parameters(), foreach=False)"])
def test_a_seeded_training_matches_and_recording_changes_no_bit(audited, optimizer):
    report = audited(optimizer)
    assert (report["reproducible"], report["judged_by"]) == (True, "training"), report["reason"]
    assert report["observer"]["bits_unchanged"] is True
    recorded = [one for one in report["trials"] if one["steps"]]
    assert {one["steps"] for one in recorded} == {16}
    assert {(one["kind"], one["name"], one["matches"]) for one in report["outputs"]} >= {
        ("saved", "model.pt", True)
    }


@pytest.mark.parametrize(
    ("where", "line", "stage", "name"),
    [
        ("fault", f"if number == 5: a[0, 0] += {NOISE}", "data", "batch.0"),
        (
            "before_step",
            f"if number == 5: model.hidden.bias.grad[3] += {NOISE}",
            "gradient",
            "hidden.bias",
        ),
    ],
)
def test_a_planted_fault_is_named_to_its_step_and_tensor(audited, where, line, stage, name):
    report = audited(**{where: line})
    assert report["reproducible"] is False
    found = report["first_divergence"]
    assert (found["stage"], found["step"]) == (stage, 5) and name in found["name"]


#: A loop without a module, on a table whose gradient is added up by several threads.
RACE = """
import torch
torch.manual_seed(1)
torch.set_num_threads(2)
table = torch.nn.Parameter(torch.randn(50, 16))
x, y = torch.randint(0, 50, (6000,)), torch.randn(6000, 16)
optimizer = torch.optim.SGD([table], lr=0.1)
for step in range(20):
    optimizer.zero_grad()
    ((table[x] - y) ** 2).mean().backward()
    optimizer.step()
"""


def test_a_race_shows_in_the_gradient(audited):
    report = audited(text=RACE)
    assert report["reproducible"] is False
    assert report["first_divergence"]["stage"] == "gradient"


RANKS = """
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
torch.manual_seed(SEED)
rank = dist.get_rank()
x = torch.linspace(-1, 1, 800).reshape(200, 4)[rank::2]
model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(4, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
for rows in torch.randperm(100).split(20):
    optimizer.zero_grad()
    (model(x[rows]) ** 2).mean().backward()
    optimizer.step()
dist.destroy_process_group()
"""


@pytest.mark.parametrize(("seed", "matches"), [("1", True), ("torch.seed()", False)])
def test_of_several_ranks_each_is_pinned_and_rank_0_is_judged(tmp_path, seed, matches):
    python = with_backend("torch")
    folder, saved = tmp_path / "project", tmp_path / "report.json"
    folder.mkdir()
    (folder / "train.py").write_text(RANKS.replace("SEED", seed))
    command = [sys.executable, "-m", "detaudit", "run", "--no-search", "--pairs", "1", "--quiet"]
    command += ["--json", str(saved), "--python", python, "--"]
    command += [str(Path(python).with_name("torchrun")), "--nproc_per_node=2", "train.py"]
    subprocess.run(command, cwd=folder, capture_output=True)
    report = json.loads(saved.read_text(encoding="utf-8"))
    assert (report["reproducible"], report["judged_by"]) == (matches, "training"), report["reason"]
    assert {one["steps"] for one in report["trials"] if one["steps"]} == {5}
    said = [one for one in report["warnings"] if "the process that was judged" in one]
    assert said and "train.py (rank 0)" in said[0]
