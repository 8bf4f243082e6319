import json
import secrets
import time

loss, history = 1.0, []
for epoch in range(10):
    loss = 0.9 * loss + 0.01 * (secrets.randbelow(9) + 1)
    history.append(round(loss, 6))
with open("history.json", "w") as file:
    json.dump({"loss": history, "finished": time.time()}, file)
