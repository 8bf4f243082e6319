"""The engine: plans, starts processes, compares, judges and reports. It never imports a
framework.
"""

__version__ = "0.1.0"
