"""Numbers objects in the order in which a program first asks for their ``id`` or ``hash``."""

from collections.abc import Sequence

from detaudit.commands.run import edits
from detaudit.commands.run.edits import Splice, calls_at, source_of, span, splice
from detaudit.commands.run.syntax import Function, enclosing, last_name, parents_in, tree_of

#: What takes the place of a call. Two objects may have one address, one after the other; equal
#: objects have one hash.
FORMS = {
    "id": "{name}.setdefault(id({0}), len({name}))",
    "hash": "{name}.setdefault({0}, len({name}))",
}


def with_numbers(
    text: str, calls: Sequence[str], lines: Sequence[int], around: str = ""
) -> str | None:
    """Return ``text`` with the number of an object in place of what ``calls`` on these lines
    answer; None if there is no such call, or one that defines the hash or the equality of objects.

    ``around`` is other text in which names are defined that this one uses.
    """
    tree = tree_of(text)
    asked = calls_at(tree, calls, lines) if tree is not None else []
    asked = [call for call in asked if len(call.args) == 1 and last_name(call.func) in FORMS]
    if tree is None or not asked:
        return None
    name, parents = edits.unused_name(text + around, "numbers"), parents_in(tree)
    splices = []
    for call in asked:
        function = enclosing(call, parents, *Function)
        if getattr(function, "name", "") in ("__hash__", "__eq__"):
            return None
        form = FORMS[last_name(call.func)]
        new = form.format(source_of(text, call.args[0]), name=name)
        splices.append(Splice(*span(text, call), new))
    return edits.insert(splice(text, splices), [f"{name} = {{}}"], (), before=min(lines))
