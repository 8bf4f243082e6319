"""A trial of ours: the nest that forks it, the worker that trains, the recorder."""
