import numpy as np
import pandas as pd

rng = np.random.default_rng(5)
pd.DataFrame({"prediction": rng.normal(size=30)}).to_parquet("predictions.parquet")
