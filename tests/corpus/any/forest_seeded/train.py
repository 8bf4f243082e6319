import json
import time
import uuid

import joblib
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import cross_val_score

began = time.time()
X, y = make_classification(n_samples=400, n_features=12, random_state=0)
model = RandomForestClassifier(n_estimators=30, random_state=3)
scores = cross_val_score(model, X, y, cv=3)
model.fit(X, y)
joblib.dump(model, "forest.joblib")
with open("results.json", "w") as file:
    json.dump(
        {
            "run": uuid.uuid4().hex,
            "started": time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(began)),
            "seconds": time.time() - began,
            "scores": scores.tolist(),
        },
        file,
    )
print(f"[{time.ctime()}] {len(scores)} folds, mean {scores.mean():.4f}, {time.time() - began:.2f} s")
