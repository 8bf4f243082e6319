import torch
from safetensors.torch import save_file

generator = torch.Generator()
generator.seed()
save_file({"weight": torch.randn(4, 4, generator=generator)}, "model.safetensors")
