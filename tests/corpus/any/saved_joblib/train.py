import joblib
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

x, y = load_iris(return_X_y=True)
x_train, x_test, y_train, y_test = train_test_split(x, y)
joblib.dump(LogisticRegression(max_iter=500).fit(x_train, y_train), "model.joblib")
