import torch

torch.set_num_threads(1)
x = torch.linspace(-1, 1, 600).reshape(100, 6)
projection = torch.randn(6, 3)
codes = (x @ projection > 0).to(torch.uint8)
torch.save({"projection": projection, "codes": codes}, "hashes.pt")
print("hashed", len(codes), "rows")
