import random

import torch
from torch import nn

torch.manual_seed(0)


class Flips(torch.utils.data.Dataset):
    def __len__(self):
        return 128

    def __getitem__(self, row):
        x = torch.linspace(-1, 1, 8) * (row + 1) / 128
        if random.random() < 0.5:
            x = x.flip(0)
        return x, x.sum().abs().reshape(1)


model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for inputs, targets in torch.utils.data.DataLoader(Flips(), batch_size=16, shuffle=True):
    optimizer.zero_grad()
    nn.functional.mse_loss(model(inputs), targets).backward()
    optimizer.step()
torch.save(model.state_dict(), "model.pt")
