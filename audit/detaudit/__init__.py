"""The engine: plans, spawns, compares, judges and reports. It never imports a framework."""

__version__ = "0.1.0"
