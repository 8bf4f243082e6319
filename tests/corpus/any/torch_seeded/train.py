import time

import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(256, 6)
y = (x.sum(1, keepdim=True) > 0).float()
model = nn.Sequential(nn.Linear(6, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1))
optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3)
began = time.time()
for step in range(40):
    rows = torch.randperm(256)[:32]
    optimizer.zero_grad()
    loss = nn.functional.binary_cross_entropy_with_logits(model(x[rows]), y[rows])
    loss.backward()
    optimizer.step()
    print(f"\r{step + 1}/40 [{(step + 1) / (time.time() - began):.1f} it/s] loss {loss.item():.4f}", end="")
print()
torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, "checkpoint.pt")
