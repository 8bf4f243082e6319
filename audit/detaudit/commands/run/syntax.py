"""What the syntax tree of a program says about a place in it."""

import ast
from collections.abc import Mapping

_LOOPS = (
    ast.For,
    ast.While,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
    ast.Lambda,
    ast.AsyncFunctionDef,
)

Parents = Mapping[ast.AST, ast.AST]


def parents_in(tree: ast.AST) -> Parents:
    """Return the node that each node of a tree is a part of."""
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def made_again(tree: ast.AST) -> set[ast.AST]:
    """Return what stands in a loop, or in a function: it may be evaluated more often than once. A
    function ``main`` is called once if its name stands once, outside of loops.
    """
    loops = [node for node in ast.walk(tree) if isinstance(node, _LOOPS)]
    looped = {inner for loop in loops for inner in ast.walk(loop)}
    mains = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "main"]
    once = "main" if len(mains) == 1 and mains[0] not in looped else ""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        function = isinstance(node, ast.FunctionDef) and node.name != once
        if function or isinstance(node, _LOOPS):
            found.update(ast.walk(node))
    return found
