"""What the syntax tree of a program says about a place in it."""

import ast
from collections.abc import Collection, Iterator, Mapping

Parents = Mapping[ast.AST, ast.AST]
Function = (ast.FunctionDef, ast.AsyncFunctionDef)
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


def tree_of(text: str) -> ast.Module | None:
    """Return the tree of a text; None if it is no Python, or a cell with commands of a notebook."""
    try:
        return ast.parse(text)
    except SyntaxError:
        return None


def parents_in(tree: ast.AST) -> Parents:
    """Return the node that each node of a tree is a part of."""
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def enclosing(node: ast.AST, parents: Parents, *kinds: type[ast.AST]) -> ast.AST | None:
    """Return the innermost node of one of these kinds around a node; None if there is none."""
    parent = parents.get(node)
    while parent is not None and not isinstance(parent, kinds):
        parent = parents.get(parent)
    return parent


def last_name(function: ast.AST | None) -> str:
    """Return the last part of a dotted name; empty if it is none."""
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def names_on(tree: ast.AST, lines: Collection[int]) -> set[str]:
    """Return the last parts of the names on these lines."""
    return {
        last_name(node)
        for node in ast.walk(tree)
        if isinstance(node, (ast.Name, ast.Attribute)) and node.lineno in lines
    }


def reads_of(tree: ast.AST, name: str) -> Iterator[ast.Name]:
    """Yield the places where a name is read."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load):
            yield node


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
