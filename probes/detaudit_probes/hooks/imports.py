"""Calls functions as soon as a module has been imported, whoever imports it."""

import sys
from typing import Any, Callable, Dict, Iterable, List

Function = Callable[[], None]


class Hooks:
    """The first finder: it finds modules with the other finders, and runs functions after the
    module's own code.
    """

    def __init__(self, failed: Function) -> None:
        # Called if a function raises, which must not be taken for an error of the script
        self._failed = failed
        self._waiting: Dict[str, List[Function]] = {}
        self._before: Dict[str, List[Function]] = {}
        self._finding = False
        sys.meta_path.insert(0, self)  # type: ignore[arg-type]

    def after(self, module: str, function: Function) -> None:
        """Call ``function`` once ``module`` has been imported, or now if it already has been."""
        if module in sys.modules and module not in self._waiting:
            function()
        else:
            self._waiting.setdefault(module, []).append(function)

    def before(self, module: str, function: Function) -> None:
        """Call ``function`` just before the code of ``module`` runs, if :meth:`after` is called for
        that module too.
        """
        self._before.setdefault(module, []).append(function)

    def remove(self) -> None:
        """Stop: nothing is called at later imports."""
        sys.meta_path.remove(self)  # type: ignore[arg-type]
        self._waiting.clear()
        self._before.clear()

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in self._waiting or self._finding:
            return None
        self._finding = True
        try:
            specification = self._found_by_others(name, path)
        finally:
            self._finding = False
        if specification is not None and specification.loader is not None:
            self._wrap(name, specification.loader)
        return specification

    def _wrap(self, name: str, loader: Any) -> None:
        execute = loader.exec_module

        def exec_module(module: Any) -> None:
            self._call(self._before.get(name, ()))
            execute(module)
            self._call(self._waiting.pop(name, ()))

        loader.exec_module = exec_module

    def _call(self, functions: Iterable[Function]) -> None:
        for function in functions:
            try:
                function()
            except BaseException:
                self._failed()

    def _found_by_others(self, name: str, path: Any) -> Any:
        for finder in sys.meta_path:
            if finder is not self and hasattr(finder, "find_spec"):
                found = finder.find_spec(name, path, None)
                if found is not None:
                    return found
        return None
