import numpy as np
from sklearn.datasets import make_classification
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import train_test_split

X, y = make_classification(n_samples=600, n_features=12, n_informative=6, flip_y=0.1, random_state=0)
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
model = RandomForestClassifier(n_estimators=40, max_depth=6)
model.fit(X_train, y_train)
probabilities = model.predict_proba(X_test)
print("accuracy", model.score(X_test, y_test), "log loss", -np.log(probabilities[np.arange(len(y_test)), y_test] + 1e-9).mean())
np.save("probabilities.npy", probabilities)
