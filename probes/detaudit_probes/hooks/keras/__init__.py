"""How training is observed under each Keras and each backend."""
