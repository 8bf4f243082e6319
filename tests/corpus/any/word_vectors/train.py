import numpy as np
from gensim.models import Word2Vec

SEED = 4
words = [f"w{i}" for i in range(60)]
rng = np.random.default_rng(SEED)
texts = [[words[k] for k in rng.integers(0, 30, 12) + 30 * (i % 2)] for i in range(5000)]
model = Word2Vec(
    texts, vector_size=16, min_count=1, sg=1, seed=SEED, workers=3, epochs=4
)
np.save("vectors.npy", model.wv.vectors)
