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


def apply(text: str, edit: Edit, lines: Sequence[int], seed: int) -> str | None:
    """Return ``text`` with one edit. An edit that changes calls is applied at the 1-based
    ``lines``, which were observed to draw.
    """
    try:
        tree = ast.parse(text)
    except SyntaxError:
        return None
    if edit.kind == "insert":
        return insert(text, tree, [line.format(seed=seed) for line in edit.lines], edit.after)
    calls = calls_at(tree, edit.calls, lines)
    splices = list(filter(None, [_change_call(text, call, edit, seed) for call in calls]))
    return parsed(splice(text, splices)) if splices else None


def parsed(text: str) -> str | None:
    """Return ``text`` if it is still valid Python: a comment in an unusual place may have been
    cut.
    """
    try:
        ast.parse(text)
    except SyntaxError:
        return None
    return text


def lines_of(text: str) -> list[str]:
    """Return the lines with their ends, as Python counts them: a form feed does not end a line."""
    return re.findall(r"[^\n]*\n|[^\n]+$", text)


#: The package ``tf_keras`` is Keras 2; ``keras.`` in an edit applies to it as to any other Keras.
KERAS_2 = "tf_"


def insert(text: str, tree: ast.Module, lines: Sequence[str], after: Sequence[str]) -> str | None:
    """Insert ``lines`` after the first import of one of ``after``; at the top if ``after`` is
    empty.

    The name at the start of a line (``keras.``, ``tf.``) is replaced by the name under which the
    script imported the module, unless another of the lines imports it.
    """
    if not after:
        known = _known_import(tree, lines[0])
        if known is not None:
            return with_lines(text, known.last_line, lines[1:])
        return with_lines(text, top(tree), lines)
    fitting = (imported for imported in _imports(tree) if imported.package in after)
    imported = next(fitting, None)
    if imported is None:
        return None
    if imported.name is None:
        lines = [f"import {imported.module}", *_renamed(lines, imported.module)]
    else:
        lines = _renamed(lines, imported.name)
    return with_lines(text, imported.last_line, lines)


def _known_import(tree: ast.Module, line: str) -> "Imported | None":
    """Return the import in a script that does the same as ``line``, if there is one."""
    module = line.removeprefix("import ")
    return next((one for one in _imports(tree) if one.module == one.name == module), None)


class Imported(NamedTuple):
    """The first part of an imported module's name, and its ``name`` in the script; None for ``from
    module import ...``. ``last_line`` is that of the statement, after which lines can be inserted.
    """

    module: str
    name: str | None
    last_line: int

    @property
    def package(self) -> str:
        return self.module.removeprefix(KERAS_2)


def _imports(tree: ast.Module) -> Iterable[Imported]:
    """Yield what the module imports: first in its own statements, then inside choices (``if``,
    ``try``).
    """
    for statement in tree.body:
        yield from _imports_of(statement, statement)
    for statement in tree.body:
        if isinstance(statement, (ast.If, ast.Try)):
            for inner in ast.walk(statement):
                yield from _imports_of(inner, statement)


def _imports_of(node: ast.AST, statement: ast.stmt) -> Iterable[Imported]:
    last_line = statement.end_lineno or 0
    if isinstance(node, ast.Import):
        for alias in node.names:
            module = alias.name.partition(".")[0]
            # ``import a.b as c`` does not bind a
            if alias.asname is None or "." not in alias.name:
                yield Imported(module, alias.asname or module, last_line)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield Imported(node.module.partition(".")[0], None, last_line)


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


def top(tree: ast.Module) -> int:
    """Return how many lines precede the first statement that is neither the docstring nor a
    ``__future__`` import.
    """
    last = 0
    for place, node in enumerate(tree.body):
        docstring = (
            place == 0
            and isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        )
        if docstring or (isinstance(node, ast.ImportFrom) and node.module == "__future__"):
            last = node.end_lineno or last
            continue
        break
    return last


def with_lines(text: str, count: int, lines: Sequence[str]) -> str:
    """Insert ``lines`` after the first ``count`` lines of a text."""
    old = lines_of(text)
    if count == 0:  # a first line that is a comment for the system or the editor stays first
        while count < min(2, len(old)) and old[count].startswith("#"):
            count += 1
    ending = "\r\n" if old and old[0].endswith("\r\n") else "\n"
    before = "".join(old[:count])
    if before and not before.endswith(("\n", "\r")):
        before += ending
    return "".join([before, *(line + ending for line in lines), *old[count:]])


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


def _place(node: ast.expr) -> tuple[int, int]:
    return node.lineno, node.col_offset


def _change_call(text: str, call: ast.Call, edit: Edit, seed: int) -> Splice | None:
    match edit.kind:
        case "wrap":
            return _wrap(text, call, edit.form)
        case "rename":
            return _rename(text, call, edit.form, seed)
        case "add":
            return _add_argument(text, call, edit.form.format(seed=seed))
        case "first":
            return Splice(*span(text, call.args[0]), edit.value or "") if call.args else None
        case _:
            return _set_keyword(text, call, edit.form, edit.value)


def _wrap(text: str, call: ast.Call, form: str) -> Splice | None:
    """Replace the call with ``form``; None if that needs the owner of a method, and the call is not
    a method's.

    An owner that is itself a call is bound to a name, because a second copy would create a second
    object.
    """
    whole, place = source_of(text, call), span(text, call)
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
    try:
        tree = ast.parse(text)
    except SyntaxError:
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


def last_name(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return function.attr
    return function.id if isinstance(function, ast.Name) else ""


def without_hash_seed(text: str, expressions: Sequence[ast.expr]) -> str:
    """Return ``text`` with these expressions made independent of the hash seed: sets are sorted,
    ``hash`` is replaced by a checksum.
    """
    splices, needs_zlib = [], False
    for node in expressions:
        if isinstance(node, ast.Call) and last_name(node.func) == "hash":
            new = f"zlib.crc32(repr({source_of(text, node.args[0])}).encode())"
            needs_zlib = True
        else:
            new = f"sorted({source_of(text, node)})"
        splices.append(Splice(*span(text, node), new))
    changed = splice(text, splices)
    if needs_zlib:
        return insert(changed, ast.parse(changed), ["import zlib"], ()) or changed
    return changed


def source_of(text: str, node: ast.expr) -> str:
    start, end = span(text, node)
    return text.encode()[start:end].decode()
