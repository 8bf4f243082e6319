"""A trial of a scan: the nest that forks it, the worker that trains, the recorder."""
