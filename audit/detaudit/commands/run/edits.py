"""Changes the user's own lines: functions from a file's text to its new text, or None if the change
does not fit.

They splice the text at the places that the syntax tree names, so everything else stays as the user
wrote it.
"""

import ast
import re
import tokenize
from collections.abc import Iterable, Sequence

from detaudit_probes.declare import Edit


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
    found = [_changed(text, call, edit, seed) for call in calls_at(tree, edit.calls, lines)]
    splices = [one for one in found if one is not None]
    return _parsed(splice(text, splices)) if splices else None


def _parsed(text: str) -> str | None:
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
        return _with_lines(text, _top(tree), lines)
    found = [
        (node, alias)
        for node, inner in _importing(tree)
        for alias in _imports(inner)
        if alias[0].partition(".")[0].removeprefix(KERAS_2) in after
    ]
    if not found:
        return None
    node, (module, name) = found[0]
    if name is None:
        return _with_lines(
            text,
            node.end_lineno or 0,
            [f"import {module.partition('.')[0]}", *(_renamed(lines, module.partition(".")[0]))],
        )
    return _with_lines(text, node.end_lineno or 0, _renamed(lines, name))


def _importing(tree: ast.Module) -> Iterable[tuple[ast.stmt, ast.stmt]]:
    """Return pairs of a statement of the module and an import: the statement itself, or one inside
    it if the statement is a choice. Choices come last.
    """
    yield from ((node, node) for node in tree.body)
    yield from (
        (node, inner)
        for node in tree.body
        if isinstance(node, (ast.If, ast.Try))
        for inner in ast.walk(node)
        if isinstance(inner, (ast.Import, ast.ImportFrom))
    )


def _imports(node: ast.stmt) -> Iterable[tuple[str, str | None]]:
    """Return (module, its name here) of an import; the name is None for ``from module import
    ...``.
    """
    if isinstance(node, ast.Import):
        for alias in node.names:
            whole = alias.asname is not None and "." in alias.name
            if not whole:  # ``import a.b as c`` does not bind a
                yield alias.name, alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module, None


def _renamed(lines: Sequence[str], name: str) -> list[str]:
    own = {line.removeprefix("import ") for line in lines}
    parts = [line.partition(".") for line in lines]
    return [
        f"{name}{dot}{rest}"
        if dot and head.isidentifier() and head not in own
        else f"{head}{dot}{rest}"
        for head, dot, rest in parts
    ]


def _top(tree: ast.Module) -> int:
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


def _with_lines(text: str, at: int, lines: Sequence[str]) -> str:
    before = lines_of(text)
    if at == 0:  # a first line that is a comment for the system or the editor stays first
        while at < len(before) and at < 2 and before[at].startswith("#"):
            at += 1
    ending = "\r\n" if before and before[0].endswith("\r\n") else "\n"
    if at and not before[at - 1].endswith(("\n", "\r")):
        before[at - 1] += ending
    return "".join([*before[:at], *(line + ending for line in lines), *before[at:]])


def calls_at(tree: ast.Module, names: Sequence[str], lines: Sequence[int]) -> list[ast.Call]:
    """Return the innermost calls on these lines of functions with one of these names, whole or last
    part; of any function if there are none.
    """
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and (not names or last_name(node.func) in names or ast.unparse(node.func) in names)
        and any(node.lineno <= line <= (node.end_lineno or node.lineno) for line in lines)
    ]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return found


Splice = tuple[int, int, str]  # from, to (bytes), and the text that replaces it


def _changed(text: str, call: ast.Call, edit: Edit, seed: int) -> Splice | None:
    start, end = span(text, call)
    if edit.kind == "wrap":
        wrapped = _wrapped(text, call, edit.form)
        return None if wrapped is None else (start, end, wrapped)
    if edit.kind == "rename":
        return _renamed_call(text, call, edit.form, start, end, seed)
    if edit.kind == "add":
        value = edit.form.format(seed=seed)
        given = [*call.args, *(one.value for one in call.keywords if one.arg in _SEEDS)]
        if "=" not in value and given:  # a name may have stood for None; a number is a seed
            fixed = isinstance(given[0], ast.Constant) and given[0].value is not None
            return None if fixed else (*span(text, given[0]), value)
        return _with_argument(text, call, value)
    if edit.kind == "first":
        return (*span(text, call.args[0]), edit.value or "") if call.args else None
    return _set(text, call, edit.form, edit.value)


def _wrapped(text: str, call: ast.Call, form: str) -> str | None:
    """Return the call in ``form``; None if that needs the owner of a method, and the call is not a
    method's.

    An owner that is itself a call is bound to a name, because a second copy would create a second
    object.
    """
    whole = source_of(text, call)
    if "{owner}" not in form:
        return form.format(call=whole)
    if not isinstance(call.func, ast.Attribute):
        return None
    owner = call.func.value
    if not any(isinstance(node, ast.Call) for node in ast.walk(owner)):
        return form.format(call=whole, owner=source_of(text, owner))
    name = _unused_name(text, last_name(owner.func) if isinstance(owner, ast.Call) else "owner")
    bound = f"({name} := {source_of(text, owner)})"
    behind = whole.encode()[span(text, owner)[1] - span(text, call)[0] :].decode()
    return form.format(call=f"{bound}{behind}", owner=name)


def _unused_name(text: str, kind: str) -> str:
    """Return the name of a new variable for a ``kind`` of object: a word that ``text`` does not
    contain.
    """
    words, name = set(re.findall(r"\w+", text)), kind.lower() or "owner"
    names = (name, *(f"{name}_{number}" for number in range(2, 1000)))
    return next(one for one in names if one not in words)


def _with_argument(text: str, call: ast.Call, value: str) -> Splice:
    """Add an argument: after the others, or before them if it has no name."""
    if "=" not in value and call.keywords:
        begin, _ = span(text, call.keywords[0])
        return begin, begin, f"{value}, "
    tokens = _tokens(text, call)
    _, bracket_start, _ = tokens[-1]
    before, _, last_end = tokens[-2]
    alone = call.args[0] if len(call.args) == 1 and not call.keywords else None
    if isinstance(alone, ast.GeneratorExp):
        # A generator that is the only argument shares the brackets of the call
        begin, end = span(text, alone)
        if end == bracket_start + 1:
            return begin, end, f"({source_of(text, alone)}, {value})"
    if not call.args and not call.keywords:
        return bracket_start, bracket_start, value
    return last_end, last_end, f" {value}" if before == "," else f", {value}"


def _tokens(text: str, node: ast.expr) -> list[tuple[str, int, int]]:
    """Return (string, from, to) of the node's tokens, in bytes of ``text``, without comments and
    line ends.
    """
    begin, _ = span(text, node)
    source = source_of(text, node)
    # In brackets of our own: the lines of an expression need not be indented
    lines = lines_of(f"({source})")
    starts = [begin - 1]
    for line in lines:
        starts.append(starts[-1] + len(line.encode()))

    def place(position: tuple[int, int]) -> int:
        row, column = position
        return starts[row - 1] + len(lines[row - 1][:column].encode())

    left_out = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER)
    read = iter(lines)
    found = tokenize.generate_tokens(lambda: next(read, ""))
    tokens = [
        (token.string, place(token.start), place(token.end))
        for token in found
        if token.type not in left_out
    ]
    return tokens[1:-1]


#: The names of arguments that take a seed.
_SEEDS = ("seed", "entropy")


def _renamed_call(
    text: str, call: ast.Call, form: str, start: int, end: int, seed: int
) -> Splice | None:
    if "{arguments}" in form:
        if not call.args:
            return None
        first, last = span(text, call.args[0])
        return start, end, form.format(arguments=text.encode()[first:last].decode())
    _, name_end = span(text, call.func)
    begin = name_end - len(last_name(call.func).encode())
    return (begin, end, form.format(seed=seed)) if form.endswith(")") else (begin, name_end, form)


def _set(text: str, call: ast.Call, name: str, value: str | None) -> Splice | None:
    """Give the keyword ``name`` of the call another value; remove it if ``value`` is None."""
    content = text.encode()
    keyword = next((one for one in call.keywords if one.arg == name), None)
    if keyword is None:
        return None
    start, end = span(text, keyword)
    if value is not None:
        return start, end, f"{name}={value}"
    tokens = _tokens(text, call)
    following = next(token for token in tokens if token[1] >= end)
    if following[0] == ",":
        behind = content[following[2] :]
        spaces = len(behind) - len(behind.lstrip(b" "))
        return start, following[2] + spaces, ""
    before, comma, _ = [token for token in tokens if token[2] <= start][-1]
    only_spaces = not content[comma + 1 : start].strip()
    return comma if before == "," and only_spaces else start, end, ""


def span(text: str, node: ast.expr | ast.keyword) -> tuple[int, int]:
    """Return the place of the node, in bytes of UTF-8."""
    starts = [0]
    for line in lines_of(text):
        starts.append(starts[-1] + len(line.encode()))
    assert node.end_lineno is not None and node.end_col_offset is not None
    return starts[node.lineno - 1] + node.col_offset, starts[
        node.end_lineno - 1
    ] + node.end_col_offset


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
    sets = [one for one in iterated if _is_set(one, names)]
    others = [
        one for one in iterated if isinstance(one, (ast.Name, ast.Attribute)) and one not in sets
    ]
    calls = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "hash"
        and len(node.args) == 1
    ]
    return [*_in_order(calls), *_in_order(sets), *(_in_order(others) if unknown else [])]


def _in_order(found: Iterable[ast.expr]) -> list[ast.expr]:
    return sorted(found, key=lambda one: (one.lineno, one.col_offset))


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


def without_hash_seed(text: str, found: Sequence[ast.expr]) -> str:
    """Return ``text`` with these expressions made independent of the hash seed: sets are sorted,
    ``hash`` is replaced by a checksum.
    """
    splices, imported = [], False
    for node in found:
        if isinstance(node, ast.Call) and last_name(node.func) == "hash":
            splices.append(
                (*span(text, node), f"zlib.crc32(repr({source_of(text, node.args[0])}).encode())")
            )
            imported = True
        else:
            splices.append((*span(text, node), f"sorted({source_of(text, node)})"))
    changed = splice(text, splices)
    return (
        insert(changed, ast.parse(changed), ["import zlib"], ()) or changed if imported else changed
    )


def source_of(text: str, node: ast.expr) -> str:
    start, end = span(text, node)
    return text.encode()[start:end].decode()
