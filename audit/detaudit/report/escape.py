"""Makes text from outside harmless, for each place where it is shown.

Any text in a document may have been written by somebody else: an exception's message, a tensor's
name, a whole report. None of it may move a cursor, close a tag or begin a heading.
"""

import re
import shlex
from collections.abc import Iterable, Mapping

#: Characters of a line that sets a variable; no format may cut a shorter one.
LONGEST_EXPORT = 500
_SPACES = re.compile(r"\s+")
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_MARKDOWN = re.compile(r"([\\`*_\[\]|~$])")
_LINKED = re.compile(r"@(?=\w)|#(?=\d)|\bGH-(?=\d)|:(?=//)|(?i:www)(?=\.)")
_ID = re.compile(r"[A-Za-z0-9_.:/+-]+")
_BACKTICKS = re.compile("`+")


def visible(text: str) -> str:
    """Return ``text`` on one line, with every character that is not printable as its escape.

    Control characters, escape sequences, direction marks and line separators all become ``\\x1b``
    and the like; runs of white space become one space.
    """
    return visible_line(_SPACES.sub(" ", text))


def clipped(text: str, longest: int) -> str:
    """Return ``visible`` text of at most ``longest`` characters."""
    shown = visible(text[: 2 * longest])
    return shown if len(shown) <= longest else shown[: longest - 1].rstrip() + "\u2026"


def markdown(text: str, longest: int = 300) -> str:
    """Return ``text`` as one line of Markdown without any markup, within a line or in a table's
    cell.

    HTML is escaped, and so are Markdown's own characters; mentions, issue numbers and addresses are
    broken by a character of no width, so that a report notifies and links nobody.
    """
    shown = clipped(text, longest)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    shown = _MARKDOWN.sub(r"\\\1", shown)
    return _LINKED.sub(lambda found: f"{found[0]}\u200b", shown)


def code(text: str, longest: int = 300) -> str:
    """Return ``text`` as an inline code span if it is a plain id, which is safe in a table's cell
    too.
    """
    return f"`{text}`" if len(text) <= longest and _ID.fullmatch(text) else markdown(text, longest)


def html(text: str, longest: int = 300) -> str:
    """Return ``text`` for HTML in a page of Markdown: no tag, no entity, no mention and no
    address.
    """
    shown = clipped(text, longest)
    shown = shown.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _LINKED.sub(lambda found: f"{found[0]}\u200b", shown)


def fence(lines: Iterable[str]) -> str:
    """Return a fence for a code block that none of ``lines`` can close."""
    longest = max((len(run) for line in lines for run in _BACKTICKS.findall(line)), default=0)
    return "`" * max(3, longest + 1)


def visible_line(line: str) -> str:
    """Return a line to paste: its spaces stay, because they indent."""
    if line.isprintable():
        return line
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode("ascii") for one in line
    )


def exports(variables: Mapping[str, str]) -> list[str]:
    """Return shell lines that set the variables; values are quoted for a shell. In place of a line
    that is too long there is a comment: cut, it would end without its quote.
    """
    lines = {
        visible_line(name): f"export {visible_line(name)}={visible_line(shlex.quote(value))}"
        for name, value in sorted(variables.items())
    }
    return [
        line if len(line) <= LONGEST_EXPORT else f"# {name}: too long, see the JSON report"
        for name, line in lines.items()
    ]


def xml(text: str) -> str:
    """Return ``text`` without controls and characters that XML cannot contain; ``xml.etree``
    escapes the rest.
    """
    return _CONTROL.sub("", _NOT_XML.sub("", text))
