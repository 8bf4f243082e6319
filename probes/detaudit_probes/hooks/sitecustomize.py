"""The module that the interpreter imports when it starts: installs the hooks, then runs the
environment's own ``sitecustomize``.

It is in a private folder that comes first in ``PYTHONPATH``, so it is imported by every Python
process that the script starts. The guest is loaded from the folder beside it under its own name,
without an entry in ``sys.path``: the script has the same path as without detaudit.
"""

import importlib.machinery
import importlib.util
import os
import sys


def _load_guest(folder):
    specification = importlib.util.spec_from_file_location(
        "detaudit_probes", os.path.join(folder, "__init__.py"), submodule_search_locations=[folder]
    )
    module = importlib.util.module_from_spec(specification)
    sys.modules["detaudit_probes"] = module
    specification.loader.exec_module(module)


def _run_the_environments_own():
    specification = importlib.machinery.PathFinder.find_spec("sitecustomize", sys.path)
    if specification is None or specification.loader is None:
        return
    module = importlib.util.module_from_spec(specification)
    sys.modules["sitecustomize"] = module
    specification.loader.exec_module(module)


def _begin():
    here = os.path.dirname(os.path.abspath(__file__))
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    folder = os.environ.get("_DETAUDIT_TRIAL")
    if folder:
        _load_guest(os.path.join(here, "guest"))
        from detaudit_probes.hooks import start

        start.begin(folder)
    elif os.environ.get("_DETAUDIT_NEST"):
        _load_guest(os.path.join(here, "guest"))
        from detaudit_probes.hooks import nest

        nest.prepare(os.environ["_DETAUDIT_NEST"])
    _run_the_environments_own()


_begin()
