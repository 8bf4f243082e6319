import random

import pandas as pd

rows = list(range(40))
random.shuffle(rows)
fitted = pd.Series([float(row) for row in rows]).ewm(span=5).mean()
pd.DataFrame({"prediction": fitted.map("{:.6f}".format)}).to_csv("predictions.csv", index=False)
