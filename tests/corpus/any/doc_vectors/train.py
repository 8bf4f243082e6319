import numpy as np
from gensim.models.doc2vec import Doc2Vec, TaggedDocument

rng = np.random.default_rng(0)
texts = [[f"w{k}" for k in rng.integers(0, 30, 12) + 30 * (i % 2)] for i in range(3000)]
documents = [TaggedDocument(words, [number]) for number, words in enumerate(texts)]
model = Doc2Vec(vector_size=16, min_count=1, seed=1, epochs=4)
model.build_vocab(documents)
model.train(documents, total_examples=model.corpus_count, epochs=model.epochs)
np.savetxt("vectors.csv", model.dv.vectors, delimiter=",")
