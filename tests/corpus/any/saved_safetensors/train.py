import torch
from safetensors.torch import save_file

save_file({"weight": torch.randn(4, 4)}, "model.safetensors")
