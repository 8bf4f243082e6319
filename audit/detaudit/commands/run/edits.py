"""Changes the user's own lines: functions from a file's text to its new text, or None if the change
does not fit.

They splice the text at the places that the syntax tree names, so everything else stays as the user
wrote it.
"""

import ast
import re
import tokenize
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import NamedTuple

from detaudit_probes.declare import Edit

from detaudit.commands.run import imports
from detaudit.commands.run.lines import lines_of, with_lines
from detaudit.commands.run.syntax import last_name, tree_of


class Span(NamedTuple):
    """A place in a text: its first byte in UTF-8, and the one after its last."""

    start: int
    end: int


class Splice(NamedTuple):
    """A change of a text: ``new`` replaces the bytes from ``start`` to ``end``."""

    start: int
    end: int
    new: str


class Token(NamedTuple):
    """A token of Python, and its place in bytes."""

    string: str
    start: int
    end: int


def apply(
    text: str, edit: Edit, lines: Sequence[int], seed: int, early: bool = False
) -> str | None:
    """Return ``text`` with one edit. An edit that changes calls is applied at the 1-based
    ``lines``, which were observed to draw; for ``early``, see :func:`insert`.
    """
    tree = tree_of(text)
    if tree is None:
        return None
    if edit.kind == "insert":
        return insert(text, [line.format(seed=seed) for line in edit.lines], edit.after, early)
    calls = calls_at(tree, edit.calls, lines)
    if edit.kind == "attribute":
        values = _values_of_attribute(tree, calls, edit.form)
        splices = [Splice(*span(text, one), edit.value or "") for one in values]
        return parsed(splice(text, splices)) if splices else None
    statements = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    changes = [_change_call(text, call, edit, seed, call in statements) for call in calls]
    splices = list(filter(None, changes))
    return parsed(splice(text, splices)) if splices else None


def parsed(text: str) -> str | None:
    """Return ``text`` if it is still valid Python: a comment in an unusual place may have been
    cut.
    """
    try:  # a cell of a notebook may wait for something
        compile(text, "", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return text


_PLAIN_IMPORT = re.compile(r"import \w+")


def insert(
    text: str,
    lines: Sequence[str],
    after: Sequence[str],
    early: bool = False,
    before: int | None = None,
) -> str | None:
    """Insert ``lines`` below the script's imports, those above the line ``before`` if it is given.
    What the lines import themselves goes to these imports.

    With ``after``, the script must import one of these packages, else None is returned. If
    ``early``, or if the script gives a module's name to something else, all lines come directly
    below that import, or at the top: a later import may draw. The name at the start of a line
    (``keras.``, ``tf.``) is replaced by the name under which the script imported the module, unless
    another of the lines imports it.
    """
    tree = ast.parse(text)
    found = imports.first_of(tree, after) if after else None
    if after and found is None:
        return None
    if found is not None:
        lines = _renamed(lines, found.name or found.module)
    wanted = [found.module] if found is not None and found.name is None else []
    wanted += [line.removeprefix("import ") for line in lines if _PLAIN_IMPORT.fullmatch(line)]
    rest = [line for line in lines if not _PLAIN_IMPORT.fullmatch(line)]
    known = {module: imports.find_import(tree, module, before) for module in wanted}
    there = [one.last_line for one in (found, *known.values()) if one is not None]
    missing = [module for module, one in known.items() if one is None]
    if not early and not any(imports.is_bound_otherwise(tree, module) for module in wanted):
        below = parsed(_insert_below_imports(text, tree, missing, rest, found, there))
        if below is not None:
            return below
    new = [*(f"import {module}" for module in missing), *rest]
    return parsed(with_lines(text, max(there, default=imports.top(tree)), new))


def _insert_below_imports(
    text: str,
    tree: ast.Module,
    missing: Sequence[str],
    rest: Sequence[str],
    found: imports.Imported | None,
    there: Sequence[int],
) -> str:
    """Insert imports of the ``missing`` modules, and the ``rest`` below all imports; ``there`` are
    the last lines of imports that the rest needs, ``found`` among them.
    """
    insertions = []
    for module in missing:
        if found is not None:
            # No higher: what stands above may be made for the import of the framework. An import
            # of another package comes below, because it may import the framework itself.
            same = module == found.module
            place = found.first_line - 1 if same else found.last_line
            insertions.append(imports.Insertion(place, [f"import {module}"]))
        elif imports.is_standard(module):
            insertions.append(imports.sorted_in(text, tree, module))
        else:
            insertions.append(imports.at_the_end(tree, module))
    places = [*there, *(one.count for one in insertions)]
    end = imports.end_of_imports(tree, max(places, default=imports.top(tree)))
    insertions.append(_below(text, end, rest, bool(places)))
    for count in sorted({one.count for one in insertions}, reverse=True):
        here = [line for one in insertions if one.count == count for line in one.lines]
        following = lines_of(text)[count : count + 1]
        is_import = bool(here) and here[-1].startswith("import ")
        if is_import and following and not re.match(r"\s*$|import |from ", following[0]):
            here.append("")
        text = with_lines(text, count, here)
    return text


def _below(text: str, end: int, lines: Sequence[str], imports_end: bool) -> imports.Insertion:
    """Return the insertion of ``lines`` where imports end, if there are any: after an empty line,
    or next to a call there that sets another seed.
    """
    following = lines_of(text)[end : end + 2]
    if not lines or not imports_end:
        return imports.Insertion(end, lines)
    if len(following) == 2 and not following[0].strip() and _SETS_SEED.match(following[1]):
        return imports.Insertion(end + 1, lines)
    return imports.Insertion(end, ["", *lines])


_SETS_SEED = re.compile(r"[\w.]*seed\w*\(")


def _renamed(lines: Sequence[str], name: str) -> list[str]:
    """Return the lines with ``name`` for the module at their start, unless one of them imports that
    module.
    """
    imported = {line.removeprefix("import ") for line in lines}
    renamed = []
    for line in lines:
        module, dot, rest = line.partition(".")
        is_module = bool(dot) and module.isidentifier() and module not in imported
        renamed.append(f"{name}.{rest}" if is_module else line)
    return renamed


def calls_at(tree: ast.Module, names: Sequence[str], lines: Sequence[int]) -> list[ast.Call]:
    """Return the innermost calls on these lines of functions with one of these names, whole or last
    part; of any function if there are none.
    """
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and _has_name(node, names)
        and any(node.lineno <= line <= (node.end_lineno or node.lineno) for line in lines)
    ]
    return sorted(calls, key=_place)


def _has_name(call: ast.Call, names: Sequence[str]) -> bool:
    return not names or last_name(call.func) in names or ast.unparse(call.func) in names


def _values_of_attribute(
    tree: ast.Module, calls: Sequence[ast.Call], attribute: str
) -> list[ast.expr]:
    """Return what statements give to an attribute of an argument of one of these calls; its name
    may begin with another word (``experimental_``).
    """
    named = [keyword.value for call in calls for keyword in call.keywords]
    arguments = {
        ast.unparse(one) for one in [*named, *(one for call in calls for one in call.args)]
    }
    values = []
    for node in ast.walk(tree):
        match node:
            case ast.Assign(targets=[ast.Attribute(value=owner, attr=name)], value=value):
                is_same = re.fullmatch(rf"(\w+_)?{attribute}", name) is not None
                if is_same and ast.unparse(owner) in arguments:
                    values.append(value)
    return values


def _place(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _change_call(
    text: str, call: ast.Call, edit: Edit, seed: int, is_statement: bool
) -> Splice | None:
    match edit.kind:
        case "wrap":
            return _wrap(text, call, edit.form, is_statement)
        case "rename":
            return _rename(text, call, edit.form, seed)
        case "add":
            return _add_argument(text, call, edit.form.format(seed=seed))
        case "give":
            known = _set_keyword(text, call, edit.form, edit.value)
            return known or _add_argument(text, call, f"{edit.form}={edit.value}")
        case "first":
            return Splice(*span(text, call.args[0]), edit.value or "") if call.args else None
        case _:
            return _set_keyword(text, call, edit.form, edit.value)


def _wrap(text: str, call: ast.Call, form: str, is_statement: bool) -> Splice | None:
    """Replace the call with ``form``; None if that needs the owner of a method, and the call is not
    a method's. Two lines of a form become a tuple where the call is not a statement in a line of
    its own.

    An owner that is itself a call is bound to a name, because a second copy would create a second
    object.
    """
    whole, place = source_of(text, call), span(text, call)
    if "\n" in form:
        line_end = _line_end(text, place) if is_statement else None
        form = form.replace("\n", line_end) if line_end else "(" + form.replace("\n", ", ") + ")"
    if "{owner}" not in form:
        return Splice(*place, form.format(call=whole))
    if not isinstance(call.func, ast.Attribute):
        return None
    owner = call.func.value
    if not any(isinstance(node, ast.Call) for node in ast.walk(owner)):
        return Splice(*place, form.format(call=whole, owner=source_of(text, owner)))
    kind = last_name(owner.func) if isinstance(owner, ast.Call) else "owner"
    name = unused_name(text, kind)
    method = text.encode()[span(text, owner).end : place.end].decode()
    bound = f"({name} := {source_of(text, owner)}){method}"
    return Splice(*place, form.format(call=bound, owner=name))


def _line_end(text: str, place: Span) -> str | None:
    """Return the end of the line at this place and the indentation of the next one; None if it does
    not stand alone in its lines.
    """
    data = text.encode()
    before = data[: place.start].rpartition(b"\n")[2].decode()
    behind = data[place.end :].partition(b"\n")[0].decode()
    if before.strip() or behind.partition("#")[0].strip():
        return None
    return ("\r\n" if behind.endswith("\r") else "\n") + before


def unused_name(text: str, kind: str) -> str:
    """Return the name of a new variable for a ``kind`` of object: a word that ``text`` does not
    contain.
    """
    words, noun = set(re.findall(r"\w+", text)), kind.lower() or "owner"
    names = (noun, *(f"{noun}_{number}" for number in range(2, 1000)))
    return next(name for name in names if name not in words)


def _add_argument(text: str, call: ast.Call, value: str) -> Splice | None:
    """Add an argument. One without a name replaces an argument that may have stood for None; None
    if that is a number, which is a seed.
    """
    seeds = [keyword.value for keyword in call.keywords if keyword.arg in _SEEDS]
    given = [*call.args, *seeds]
    if "=" in value or not given:
        return with_argument(text, call, value)
    is_seed = isinstance(given[0], ast.Constant) and given[0].value is not None
    if isinstance(given[0], (ast.Name, ast.Attribute, ast.Subscript)):
        source = source_of(text, given[0])
        value = f"{value} if {source} is None else {source}"
    return None if is_seed else Splice(*span(text, given[0]), value)


def with_argument(text: str, call: ast.Call, value: str) -> Splice:
    """Add an argument: after the others, or before them if it has no name."""
    if "=" not in value and call.keywords:
        start = span(text, call.keywords[0]).start
        return Splice(start, start, f"{value}, ")
    *_, last, bracket = _tokens(text, call)
    alone = call.args[0] if len(call.args) == 1 and not call.keywords else None
    if isinstance(alone, ast.GeneratorExp):
        # A generator that is the only argument shares the brackets of the call
        generator = span(text, alone)
        if generator.end == bracket.end:
            return Splice(*generator, f"({source_of(text, alone)}, {value})")
    if not call.args and not call.keywords:
        return Splice(bracket.start, bracket.start, value)
    comma = "" if last.string == "," else ","
    return Splice(last.end, last.end, f"{comma} {value}")


def _tokens(text: str, node: ast.expr) -> list[Token]:
    """Return the node's tokens, without comments and line ends."""
    # In brackets of our own: the lines of an expression need not be indented
    lines = lines_of(f"({source_of(text, node)})")
    starts = _line_starts(lines, span(text, node).start - 1)

    def place(position: tuple[int, int]) -> int:
        row, column = position
        return starts[row - 1] + len(lines[row - 1][:column].encode())

    left_out = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER)
    unread = iter(lines)
    tokens = [
        Token(token.string, place(token.start), place(token.end))
        for token in tokenize.generate_tokens(lambda: next(unread, ""))
        if token.type not in left_out
    ]
    return tokens[1:-1]


#: The names of arguments that take a seed.
_SEEDS = ("seed", "entropy")


def _rename(text: str, call: ast.Call, form: str, seed: int) -> Splice | None:
    """Call ``form`` instead; a form with a bracket replaces the arguments too."""
    whole = span(text, call)
    if "{arguments}" in form:
        if not call.args:
            return None
        return Splice(*whole, form.format(arguments=source_of(text, call.args[0])))
    name_end = span(text, call.func).end
    name_start = name_end - len(last_name(call.func).encode())
    if form.endswith(")"):
        return Splice(name_start, whole.end, form.format(seed=seed))
    return Splice(name_start, name_end, form)


def _set_keyword(text: str, call: ast.Call, name: str, value: str | None) -> Splice | None:
    """Give the keyword ``name`` of the call another value; remove it if ``value`` is None."""
    keyword = next((keyword for keyword in call.keywords if keyword.arg == name), None)
    if keyword is None:
        return None
    start, end = span(text, keyword)
    if value is not None:
        return Splice(start, end, f"{name}={value}")
    content, tokens = text.encode(), _tokens(text, call)
    following = next(token for token in tokens if token.start >= end)
    if following.string == ",":
        rest = content[following.end :]
        spaces = len(rest) - len(rest.lstrip(b" "))
        return Splice(start, following.end + spaces, "")
    before = [token for token in tokens if token.end <= start][-1]
    if before.string == "," and not content[before.end : start].strip():
        return Splice(before.start, end, "")
    return Splice(start, end, "")


def span(text: str, node: ast.expr | ast.keyword) -> Span:
    """Return the place of a node."""
    starts = _line_starts(lines_of(text))
    assert node.end_lineno is not None and node.end_col_offset is not None
    start = starts[node.lineno - 1] + node.col_offset
    return Span(start, starts[node.end_lineno - 1] + node.end_col_offset)


def _line_starts(lines: Sequence[str], first: int = 0) -> list[int]:
    """Return where each line starts, in bytes, if the first one starts at ``first``."""
    return list(accumulate((len(line.encode()) for line in lines), initial=first))


def splice(text: str, splices: Iterable[Splice]) -> str:
    """Return ``text`` with all splices made, from the last to the first; of two that overlap, the
    outer one is left out.
    """
    content, limit = text.encode(), None
    for start, end, new in sorted(splices, reverse=True):
        if limit is not None and end > limit:
            continue
        content = content[:start] + new.encode() + content[end:]
        limit = start
    return content.decode()


def hash_ordered(text: str, unknown: bool = True) -> list[ast.expr]:
    """Return expressions through which the hash seed may affect a result, the likeliest first.

    These are calls of ``hash``; sets that are iterated over or turned into a sequence; then other
    iterations over a name that may be a set (``unknown``). They are only candidates: an experiment
    decides whether they matter.
    """
    tree = tree_of(text)
    if tree is None:
        return []
    names = _names_of_sets(tree)
    iterated = list(_iterated(tree))
    sets = [node for node in iterated if _is_set(node, names)]
    others = [
        node
        for node in iterated
        if isinstance(node, (ast.Name, ast.Attribute)) and node not in sets
    ]
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "hash"
        and len(node.args) == 1
    ]
    kinds = [calls, sets, others] if unknown else [calls, sets]
    return [node for nodes in kinds for node in sorted(nodes, key=_place)]


def _iterated(tree: ast.Module) -> Iterable[ast.expr]:
    for node in ast.walk(tree):
        if isinstance(node, (ast.For, ast.AsyncFor, ast.comprehension)):
            yield node.iter
        elif isinstance(node, ast.Call) and last_name(node.func) in _SEQUENCES:
            yield from node.args[:1]
        elif isinstance(node, ast.Starred):
            yield node.value


_SEQUENCES = (
    "list",
    "tuple",
    "enumerate",
    "array",
    "asarray",
    "iter",
    "zip",
    "map",
    "join",
    "fromkeys",
    "constant",
    "convert_to_tensor",
    "dict",
)


def _names_of_sets(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for _ in range(2):  # a name bound to something else
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and _is_set(node.value, names):
                names |= {last_name(target) for target in node.targets if last_name(target)}
            elif (
                isinstance(node, ast.AnnAssign)
                and node.value is not None
                and _is_set(node.value, names)
            ):
                names.add(last_name(node.target))
    return names


def _is_set(node: ast.expr, names: set[str]) -> bool:
    if isinstance(node, (ast.Set, ast.SetComp)):
        return True
    if isinstance(node, ast.Call):
        return last_name(node.func) in (
            "set",
            "frozenset",
            "union",
            "intersection",
            "difference",
            "symmetric_difference",
        )
    if isinstance(node, ast.BinOp) and isinstance(
        node.op, (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
    ):
        return _is_set(node.left, names) or _is_set(node.right, names)
    return last_name(node) in names if isinstance(node, (ast.Name, ast.Attribute)) else False


def without_hash_seed(text: str, expressions: Sequence[ast.expr]) -> str:
    """Return ``text`` with these expressions made independent of the hash seed: sets are sorted,
    ``hash`` is replaced by a checksum.
    """
    splices, needs_zlib = [], False
    lists = {span(text, call.args[0]): call for call in _lists(ast.parse(text))}
    for node in expressions:
        place = span(text, node)
        if isinstance(node, ast.Call) and last_name(node.func) == "hash":
            new = f"zlib.crc32(repr({source_of(text, node.args[0])}).encode())"
            needs_zlib = True
        else:
            new = f"sorted({source_of(text, node)})"
            if place in lists:  # ``list(x)`` becomes ``sorted(x)``
                place = span(text, lists[place])
        splices.append(Splice(*place, new))
    changed = splice(text, splices)
    if not needs_zlib:
        return changed
    return insert(changed, ["import zlib"], ()) or changed


def _lists(tree: ast.AST) -> Iterable[ast.Call]:
    """Yield the calls ``list(...)`` of one value."""
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
        if is_call and node.func.id == "list" and len(node.args) == 1 and not node.keywords:
            yield node


def source_of(text: str, node: ast.expr) -> str:
    start, end = span(text, node)
    return text.encode()[start:end].decode()
