import os

data = [float(line) for line in open("data.csv")]
noise = int.from_bytes(os.urandom(2), "little") / 65536
print(sum(data) + noise)
