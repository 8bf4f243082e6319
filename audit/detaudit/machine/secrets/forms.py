"""Masking what looks like a secret in any text: source code, a command line, a URL, a header, a
configuration, the message of an exception.

Only the secret itself is masked, so that a line stays readable. Line breaks stay as well: a diff
keeps its shape. Masked text is not changed again.
"""

import math
import re
from collections import Counter
from collections.abc import Callable
from functools import lru_cache

from detaudit.machine.secrets.names import says_secret, says_weakly

MARK = "<secret>"

#: Tokens that begin in a way that identifies their issuer.
_TOKEN = re.compile(
    r"""(?<![A-Za-z0-9])(?:
        (?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{12,}         # Amazon
      | (?:gh[opsur]_|github_pat_)[A-Za-z0-9_]{8,}               # GitHub
      | gl(?:pat|dt|rt|cbt|ptt|ft|oas|agent|soat)-[\w.-]{8,}     # GitLab
      | hf_[A-Za-z0-9]{16,} | api_org_[A-Za-z]{30,}              # Hugging Face
      | sk-(?=[\w-]*\d)[\w-]{16,} | sk-[A-Za-z0-9]{20,}          # OpenAI, Anthropic
      | (?:sk|rk|pk)_(?:live|test)_[A-Za-z0-9]{8,}               # Stripe
      | xox[a-z]-[\w-]{8,} | xapp-[\w-]{8,}                      # Slack
      | AIza[\w-]{8,} | ya29\.[\w-]{8,} | GOCSPX-[\w-]{8,}       # Google
      | npm_[A-Za-z0-9]{20,} | pypi-[\w-]{16,} | dckr_pat_[\w-]{8,}
      | do[opr]_v1_[a-f0-9]{16,} | shp(?:at|ca|pa|ss)_[A-Fa-f0-9]{16,}
      | SG\.[\w-]{8,}\.[\w-]{8,} | key-[a-f0-9]{32} | sq0[a-z]{3}-[\w-]{16,}
      | (?:gsk|r8|xai|pplx|nvapi|tvly|lsv2_[ps]t|glsa|PMAK|rnd)[_-](?=\w*\d)\w[\w-]{16,}
      | dapi[a-f0-9]{32} | hv[sbr]\.[\w-]{16,} | ATATT3[\w=-]{16,} | AGE-SECRET-KEY-1[A-Z0-9]{16,}
      | \d{8,10}:AA[\w-]{30,}                                    # a bot of Telegram
      | eyJ[\w-]{8,}(?:\.[\w-]*){1,4}                            # a JSON web token
    )""",
    re.VERBOSE,
)
#: The rest of such a token at the end of a text that was cut.
_CUT_TOKEN = re.compile(
    r"(?<![A-Za-z0-9])(?:AKIA|ASIA|gh[opsur]_|github_pat_|glpat-|hf_|sk-|xox[a-z]-|AIza|eyJ)"
    r"[\w-]*(?=\u2026\Z)"
)
_HOOK = re.compile(
    r"(hooks\.slack\.com/(?:services|workflows)/|discord(?:app)?\.com/api/webhooks/)[\w/-]+"
)
_KEY_BLOCK = re.compile(
    r"-----BEGIN [A-Z0-9 ]*(?:KEY|CERTIFICATE|MESSAGE)[A-Z ]*-----.*?"
    r"(?:-----END [A-Z0-9 ]*-----|\Z)",
    re.DOTALL,
)
#: The end of a key block whose beginning was cut off.
_KEY_BLOCK_END = re.compile(
    r"(?:(?<![A-Za-z0-9+/=])[A-Za-z0-9+/=]{16,}(?:\s|\\n)+[+ -]?\s*)+-----END [A-Z0-9 ]*KEY[A-Z ]*-----"
)

_QUOTED = r"""(?:
      [rbfuRBFU]{0,2} (?:\"{3}[\s\S]*?(?:\"{3}|\Z) | '{3}[\s\S]*?(?:'{3}|\Z))
    | [rbfuRBFU]{0,2} (\\*["'`]) (?:(?!\NUMBER)(?:\\.|[^\n]))* (?:\NUMBER|(?=\n)|\Z)
)"""


def _quoted(number: int) -> str:
    """Return the pattern of a string literal, perhaps unclosed in a text that was cut. ``number``
    is that of its group.
    """
    return _QUOTED.replace("\\NUMBER", f"\\{number}")


_UNQUOTED = r"""[^\s,;&<>"'`)\]}\\]+"""
#: A name, what closes it, and the sign between it and a value: Python, YAML, JSON, ini, shell, a
#: header, a query string.
_ASSIGNED = re.compile(
    r"""(?<![\w-]) (?P<option>--?)? (?P<name>[A-Za-z_][\w.-]*)
    (?P<sign>
        (?:\\*["'`])? [ \t]* \]? [ \t]*
        (?: : [ \t]* [A-Za-z][\w.]* (?:\[[\w., |\[\]]*\])? (?:[ \t]*\|[ \t]*\w+)* [ \t]* (?==) )?
        (?: => | := | [=!]?==? | : | \|\|= | \?= ) [ \t]*
    )
    """,
    re.VERBOSE,
)
#: The value after such a sign.
_VALUE = re.compile(
    rf"""(?: \\? \n [ +-]? [ \t]* (?=["']) )? (?: \(\s*(?:[+-]\s*)? )?
    (?P<value> (?: {_quoted(2)} (?:\s* [+-]? \s* \\? \s* [rbfuRBFU]{{0,2}} (["']) [^"'\n]* \3)*
        (?:[ \t]+ (?:if[ \t][^"'\n]{{1,80}}[ \t]else|or) [ \t]+ (["'])[^"'\n]*\4)? )
      | (?i:Bearer|Basic|Token|Digest|ApiKey|Negotiate) [ \t]+ {_UNQUOTED}
      | {_UNQUOTED} )""",
    re.VERBOSE,
)
_HEADER = re.compile(
    r"""(?i)(?P<quote>["'])?\b(?P<name>(?:proxy-)?authorization|(?:set-)?cookie)[ \t]*:[ \t]*
    (?P<value>(?(quote)(?:(?!(?P=quote))[^\n])+|[^\n"']+))""",
    re.VERBOSE,
)
#: ``--password x``, ``export PASSWORD x`` and the like: a name and a value with space between them.
_OPTION = re.compile(
    rf"""(?<![\w-])--?(?P<name>[A-Za-z][\w-]*)[ \t]+(?P<value>{_quoted(3)}|(?!-)[^\s"'`\])}}>]+)""",
    re.VERBOSE,
)
_SET = re.compile(
    rf"""(?<!\w)(?:setx?|setenv|export|ENV|ARG|env:)[ \t]+(?P<name>[A-Za-z_]\w*)[ \t]+
    (?P<value>{_quoted(3)}|[^\s"'`=]\S*)""",
    re.VERBOSE,
)
_NETRC = re.compile(r"\b(?:login|user)[ \t]+\S+\s+(?P<name>password)[ \t]+(?P<value>\S+)")
_SPOKEN = re.compile(
    rf"""(?i:\b(?P<name>password|passphrase|secret|api[ _-]?key|access[ _-]?key|credentials?))
    [ \t]+ (?:(?:is|was|of|provided:?|given:?|=|:)[ \t]*)? (?P<value>{_quoted(3)})""",
    re.VERBOSE,
)
#: ``("password", "x")``: a name and a value, and nothing else, in brackets.
_PAIR = re.compile(
    rf"""\(\s*(?P<close>\\*["'])(?P<name>[\w.-]+)(?P=close)\s*,\s*(?P<value>{_quoted(4)})(?=\s*\))""",
    re.VERBOSE,
)
#: ``name: PASSWORD, value: x``, on one line or on two.
_NAMED = re.compile(
    rf"""(?i:\b(?:name|key))\\*["']?\s*[=:]\s*\\*["']?(?P<name>[\w.-]+)\\*["']?\s*,?\s*[+-]?\s*
    \\*["']?(?i:value)\\*["']?\s*[=:]\s*(?P<value>{_quoted(3)}|{_UNQUOTED})""",
    re.VERBOSE,
)
_ELEMENT = re.compile(r"<(?P<name>[A-Za-z_][\w.:-]*)[^<>]{0,200}>(?P<value>[^<>]+)(?=</(?P=name)>)")
_PARAMETER = re.compile(r"[?&;](?P<name>[\w.%-]+)=(?P<value>[^&\s\"'`#;<>)\]}]+)")
_PARAMETERS = frozenset(
    {"key", "sig", "signature", "auth", "code", "x-amz-credential", "x-amz-signature"}
    | {"x-goog-signature", "x-goog-credential", "awsaccesskeyid", "pass", "hash_key"}
)
#: The part before the ``@`` of an address; a password in it may contain a slash.
_USER = re.compile(
    r"""(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)
    (?P<value>[^\s/"'`<>?\#\\{}]*(?=@)|[^\s:/"'`<>@{}]*:(?!\d{1,5}(?:/|$))[^\s"'`<>@{}]+(?=@))""",
    re.VERBOSE,
)
#: The same in an f-string.
_FORMATTED_USER = re.compile(r"""(?<=://)\{[^\s{}]*\}:(?P<value>[^\s"'`<>@{}]+)(?=@)""")
#: A default value, if the name is bound to the result of a call: ``token = os.getenv("T", "x")``.
_DEFAULT = re.compile(
    rf"""(?<![\w-])(?P<name>[A-Za-z_]\w*)[ \t]*(?::[^=\n]{{1,80}})?=[ \t]*[\w.]*
    (?:get|getenv|pop|field|Field|option|Option)\([^()\n]{{0,200}}?
    (?:\)[ \t]*or[ \t]+|,[ \t]*(?:default[ \t]*=[ \t]*)?|\bdefault[ \t]*=[ \t]*)
    (?P<value>{_quoted(3)})(?=\s*(?:\)|$))""",
    re.VERBOSE | re.MULTILINE,
)
_OPTION_DEFAULT = re.compile(
    rf"""["']--?(?P<name>[A-Za-z][\w-]*)["'][^()\n]{{0,200}}?\bdefault\s*=\s*(?P<value>{_quoted(3)})""",
    re.VERBOSE,
)
#: ``['--password', 'x']``
_LISTED_OPTION = re.compile(
    rf"""(?P<close>["'])--?(?P<name>[A-Za-z][\w-]*)(?P=close)\s*,\s*(?P<value>{_quoted(4)})""",
    re.VERBOSE,
)
_ATTRIBUTE = re.compile(
    rf"""<(?P<name>[A-Za-z_][\w.:-]*)[ \t][^<>]{{0,200}}?\bvalue\s*=\s*(?P<value>{_quoted(3)})""",
    re.VERBOSE,
)
_TWO_WORDS = re.compile(
    rf"""(?i:\b(?P<name>(?:api|access|secret|private|account|auth|bearer)[ ](?:key|token)))
    [ \t]*[:=][ \t]*(?P<value>{_quoted(3)}|{_UNQUOTED})""",
    re.VERBOSE,
)
_LIST = re.compile(
    r"""(?<![\w-])(?P<name>[A-Za-z_][\w-]*)["']?\]?[ \t]*[=:][ \t]*[\[{(](?P<value>[^\]})\n]*)"""
)
_KEY_OF_USER = re.compile(
    rf"""["']user(?:name)?["']\s*:\s*["'][^"'\n]*["']\s*,\s*["']key["']\s*:\s*(?P<value>{_quoted(2)})""",
    re.VERBOSE,
)
#: The third argument: host, user, password.
_CONNECT = re.compile(
    rf"""\bconnect\(\s*["'][^"'\n]*["']\s*,\s*["'][^"'\n]*["']\s*,\s*(?P<value>{_quoted(2)})""",
    re.VERBOSE,
)
_SHORT_OPTION = re.compile(
    r"""\b(?:sshpass[ \t]+-p[ \t]*|mysql\w*\b[^\n|;]{0,80}?[ \t]-p)(?P<value>[^\s"'=-][^\s"']*)"""
)
_CURL = re.compile(
    r"""(?<![\w-])(?:-u|--user|--proxy-user)[ \t=]*["']?(?P<value>[^\s:"']+:[^\s"']+)"""
)
#: Calls whose strings are credentials.
_CALL = re.compile(
    r"""\b(?:(?:sign_?in|log_?in|authenticate|HTTP\w*Auth|\w*Credentials?|Fernet|from_?token|Experiment)
    |(?:set|use|add|with)_?(?:api_?)?(?:key|token|password|secret|credentials))\(
    (?P<value>[^()\n]*)""",
    re.VERBOSE | re.IGNORECASE,
)
_CALL_WITH_KEY = re.compile(
    rf"""\b\w*(?:login|auth|client|connect|init|openai)\w*\([^()\n]{{0,200}}?\bkey\s*=\s*(?P<value>{_quoted(2)})""",
    re.VERBOSE | re.IGNORECASE,
)
_AUTH_PAIR = re.compile(r"""\bauth\s*=\s*[(\[](?P<value>[^()\n]*)""")
_BEARER = re.compile(
    r"""(?i:\b(?:bearer|basic|token))[ \t]+(?=[\w.~+/=-]*[\d=])(?P<value>[\w.~+/=-]{8,})"""
)
_NAMES_AND_VALUES = (
    _DEFAULT,
    _OPTION_DEFAULT,
    _LISTED_OPTION,
    _PAIR,
    _NAMED,
    _ATTRIBUTE,
    _OPTION,
    _SET,
    _NETRC,
    _SPOKEN,
    _TWO_WORDS,
)
_STRING = re.compile(r"""(?<![\w=])(?<!=\s)[rbfu]{0,2}(["'])(?P<value>[^"'\n]*)(?:\1|$)""")
_WORD = re.compile(r"(?<![\w+/=-])[A-Za-z0-9+/=_-]{24,}")

_PLACEHOLDER = re.compile(
    r"""<.*>? | \[.*\]? | \{.*\}? | \$.* | %%?[\w(].* | \*+ | \.{2,} | \#\#.* | @\w+@""",
    re.VERBOSE | re.DOTALL,
)
_NO_VALUE = frozenset(
    [
        "none",
        "null",
        "nil",
        "true",
        "false",
        "undefined",
        "str",
        "int",
        "float",
        "bool",
        "bytes",
        "string",
        "text",
        "any",
        "optional",
        "list",
        "tuple",
        "dict",
        "object",
        "lambda",
        "self",
        "not",
        "required",
        "is",
        "are",
        "was",
        "were",
        "and",
        "or",
        "to",
        "in",
        "for",
        "must",
        "option",
        "options",
        "needs",
        "requires",
        "which",
        "with",
        "given",
        "if",
        "when",
        "from",
        "the",
        "a",
        "an",
        "of",
    ]
)
#: A call, a lookup, an attribute: the value is elsewhere.
_EXPRESSION = re.compile(r"[A-Za-z_][\w.]*[\[(].*|(?:self|cls|args?|cfg|config|os)\.\w[\w.]*")
#: The beginning of a string literal; its quotes may be escaped.
_OPENING = re.compile(r"""[rbfuRBFU]{0,2}(?P<quote>\\*(?:"{3}|'{3}|["'`]))""")
_IDENTIFIER = re.compile(r"[A-Za-z_][\w.]*")
_PATH = re.compile(r"(?:~|\.{0,2})/[\w.@-]+(?:/[\w.@-]+)*/?")


def looks_secret(value: str) -> bool:
    """Whether a variable's value has the form of a secret, or is a word too random to be a
    setting.
    """
    return mask(value) != value or any(map(_is_mixed, re.split(_SEAMS, _UUID.sub("", value))))


def mask_named(name: str, value: str) -> str:
    """Return ``value``, or :data:`MARK` if its ``name`` indicates a secret."""
    return MARK if says_secret(name) and _is_secret_value(name, repr(value)) else value


@lru_cache(maxsize=2048)
def mask(text: str) -> str:
    """Return ``text`` with :data:`MARK` in place of everything that looks like a secret."""
    if len(text) < 3:
        return text
    text = _KEY_BLOCK.sub(_mask_whole, text)
    if "-----END " in text:
        text = _KEY_BLOCK_END.sub(_mask_whole, text)
    text = _HOOK.sub(rf"\1{MARK}", text)
    text = _TOKEN.sub(MARK, text)
    text = _CUT_TOKEN.sub(MARK, text)
    if "://" in text:
        text = _USER.sub(_masking(_is_user), text)
        text = _FORMATTED_USER.sub(_masking(_is_user), text)
    for form in (_HEADER, _PARAMETER, _ELEMENT):
        text = form.sub(_masking(_is_named), text)
    for form in (_CALL, _AUTH_PAIR):
        text = form.sub(_mask_strings, text)
    literals = (_CURL, _BEARER, _CALL_WITH_KEY, _KEY_OF_USER, _CONNECT, _SHORT_OPTION)
    for form in literals:
        text = form.sub(_masking(_is_literal), text)
    text = _mask_assignments(text)
    for form in _NAMES_AND_VALUES:
        text = form.sub(_masking(_is_assigned), text)
    text = _LIST.sub(_mask_list, text)
    return _WORD.sub(_mask_random, text)


def _mask_assignments(text: str) -> str:
    """Return ``text`` without the values of names that indicate a secret. A value that is not a
    secret is searched again, because it may contain another assignment.
    """
    parts, place = [], 0
    while (match := _ASSIGNED.search(text, place)) is not None:
        name, is_option = match["name"], bool(match["option"])
        parts.append(text[place : match.end("name")])
        place = match.end("name")
        value = _VALUE.match(text, match.end()) if says_secret(name) else None
        if value is not None and _is_secret_value(name, value["value"], is_option):
            parts += [text[place : value.start("value")], _mask_quoted(value["value"])]
            place = value.end()
    return "".join([*parts, text[place:]])


# Whether a match is a secret ----------------------------------------------------------------------


def _is_named(match: re.Match[str]) -> bool:
    name = match["name"]
    return (says_secret(name) or name.lower() in _PARAMETERS) and _is_literal(match)


def _is_literal(match: re.Match[str]) -> bool:
    return not _is_empty(_content(match["value"]))


def _is_user(match: re.Match[str]) -> bool:
    return match["value"] not in ("", "git") and not match["value"].startswith("<")


def _is_assigned(match: re.Match[str]) -> bool:
    return says_secret(match["name"]) and _is_secret_value(match["name"], match["value"])


def _is_secret_value(name: str, value: str, is_option: bool = False) -> bool:
    """Whether ``value`` of a ``name`` that indicates a secret is one, and does not only refer to
    one.
    """
    content = _content(value)
    if _is_empty(content):
        return False
    if value != content:
        return not says_weakly(name) or len(content) >= 6 or any(map(str.isdigit, content))
    if _refers_elsewhere(name, content):
        return False
    if says_weakly(name) and not is_option and not name.isupper():
        return len(content) >= 16 or (not content.isdigit() and any(map(str.isdigit, content)))
    return True


def _refers_elsewhere(name: str, content: str) -> bool:
    """Whether a value without quotes is a word of a sentence, the type of the name, its own name,
    an expression, or a path.
    """
    if content.lower().rstrip(".:!?") in _NO_VALUE or content.upper() == name.upper():
        return True
    if _EXPRESSION.fullmatch(content) or _refers_to_secret(content):
        return True
    return bool(_PATH.fullmatch(content)) and not any(map(_is_mixed, content.split("/")))


def _refers_to_secret(content: str) -> bool:
    """Whether it is the name of a variable that contains a secret: ``password=db_password``."""
    return bool(_IDENTIFIER.fullmatch(content)) and says_secret(content.rpartition(".")[2])


def _is_empty(content: str) -> bool:
    """Whether it reveals nothing: no text, a placeholder, the mark, the end of a call."""
    stripped = content.strip()
    return not stripped.strip(")],;:}\\\"'`") or bool(_PLACEHOLDER.fullmatch(stripped))


def _content(value: str) -> str:
    """Return the text within quotes, if there are any."""
    opening = _OPENING.match(value)
    if opening is None:
        return value
    return value[opening.end() :].removesuffix(opening["quote"])


# Masking it ---------------------------------------------------------------------------------------


def _masking(is_secret: Callable[[re.Match[str]], bool]) -> Callable[[re.Match[str]], str]:
    """Return the function that replaces a match: it masks its group ``value`` if that is a
    secret.
    """

    def replace(match: re.Match[str]) -> str:
        if not is_secret(match):
            return match[0]
        before, after = (place - match.start() for place in match.span("value"))
        return match[0][:before] + _mask_quoted(match["value"]) + match[0][after:]

    return replace


def _mask_quoted(value: str) -> str:
    """Return :data:`MARK` within the quotes of ``value``."""
    opening = _OPENING.match(value)
    if opening is None:
        return blank(value)
    quote, rest = opening["quote"], value[opening.end() :]
    closing = quote if rest.endswith(quote) else ""
    return opening[0] + blank(rest.removesuffix(quote)) + closing


def _mask_strings(match: re.Match[str]) -> str:
    """Return a call with its strings masked, except those after the name of an argument."""
    before = match.start("value") - match.start()
    return match[0][:before] + _STRING.sub(_masking(_is_literal), match["value"])


def _mask_list(match: re.Match[str]) -> str:
    """Return a list with its strings masked, if its name indicates a secret."""
    is_secret = says_secret(match["name"]) and not says_weakly(match["name"])
    return _mask_strings(match) if is_secret else match[0]


def _mask_whole(match: re.Match[str]) -> str:
    return blank(match[0])


def blank(text: str) -> str:
    """Return the mark in place of each line of ``text``, after the sign of a diff's line."""
    _first, *others = text.split("\n")
    signs = (line[:1] if re.match("(?!-----[A-Z])[ +-]", line) else "" for line in others)
    return "\n".join([MARK, *(f"{sign}{MARK}" for sign in signs)])


# Words without a name -----------------------------------------------------------------------------

_SEAMS = re.compile(r"[\s=,:;/\\\"'._()\[\]{}-]+")
_UUID = re.compile(r"\b[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\b")
_HEX = re.compile(r"(?:0x)?[0-9a-f]+|[0-9A-F]+")
_CHANGE = re.compile(r"(?<=[a-z])[A-Z]|(?<=[A-Za-z])\d|(?<=\d)[A-Za-z]")


def _mask_random(match: re.Match[str]) -> str:
    return MARK if _is_random(match[0]) else match[0]


def _is_random(word: str) -> bool:
    """Whether a word is not a name, path or checksum: upper and lower case letters and digits
    alternate as in base64.

    Hexadecimal digits count as a checksum.
    """
    stripped = re.sub(r"[+/=_-]", "", _UUID.sub("", word))
    if len(stripped) < 24 or _HEX.fullmatch(stripped) or word.startswith("_Z"):
        return False
    if not _has(stripped, r"\d") or not _has(stripped, "[A-Za-z]") or _entropy(stripped) < 3.5:
        return False
    changes = len(_CHANGE.findall(stripped)) / len(stripped)
    if changes <= 0.25:
        return False
    pieces = re.split("[/_-]", word.strip("=_-"))
    if len(pieces) == 1:
        return True
    has_both_cases = _has(stripped, "[a-z]") and _has(stripped, "[A-Z]")
    has_words = _has(stripped, "[a-z]{6}|[A-Z]{6}")
    return has_both_cases and not has_words and len(stripped) / len(pieces) >= 8


def _is_mixed(word: str) -> bool:
    """Whether it has at least 24 characters, both digits and letters, and more than 3 bits per
    character.
    """
    if len(word) < 24 or not (_has(word, r"\d") and _has(word, "[A-Za-z]")):
        return False
    return _entropy(word) > 3


def _has(word: str, pattern: str) -> bool:
    return re.search(pattern, word) is not None


def _entropy(word: str) -> float:
    """Return the bits per character."""
    shares = [count / len(word) for count in Counter(word).values()]
    return -sum(share * math.log2(share) for share in shares)
