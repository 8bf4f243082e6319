"""Decides by a name whether its value is a secret: that of ``DB_PASSWORD`` is, that of
``pad_token`` is not.
"""

import re
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")

#: Words that indicate a secret anywhere in a name.
_SECRET = frozenset(
    {
        "password",
        "passwd",
        "passphrase",
        "passcode",
        "pwd",
        "passwords",
        "secret",
        "secrets",
        "credential",
        "credentials",
        "authorization",
        "apikey",
        "accesskey",
        "secretkey",
        "privatekey",
        "accountkey",
        "authkey",
        "authtoken",
        "accesstoken",
        "jwt",
        "cookie",
        "sessionid",
    }
)
#: Endings of words without a separator: ``pgpassword``; ``mytoken`` does not count (because of
#: ``detoken``).
_SECRET_ENDS = ("password", "passwd", "passphrase", "apikey", "secret")
#: A key is a secret after one of these words: ``api_key``, but not ``sort_key``.
_KEYS = frozenset(
    {
        "access",
        "account",
        "admin",
        "api",
        "app",
        "application",
        "auth",
        "azure",
        "client",
        "consumer",
        "database",
        "db",
        "deploy",
        "encryption",
        "license",
        "master",
        "anthropic",
        "aws",
        "cohere",
        "comet",
        "gcp",
        "github",
        "google",
        "hf",
        "huggingface",
        "kaggle",
        "mistral",
        "neptune",
        "openai",
        "roboflow",
        "stripe",
        "private",
        "secret",
        "service",
        "shared",
        "signing",
        "ssh",
        "storage",
        "subscription",
        "wandb",
    }
)
#: So is a pass after one of these: ``smtp_pass``, but not ``forward_pass``.
_PASSES = frozenset(
    {
        "admin",
        "app",
        "database",
        "db",
        "email",
        "ftp",
        "http",
        "key",
        "ldap",
        "login",
        "mail",
        "mongo",
        "mq",
        "mysql",
        "pg",
        "postgres",
        "proxy",
        "redis",
        "root",
        "service",
        "smtp",
        "sql",
        "ssh",
        "sudo",
        "user",
    }
)
#: A token after one of these is a piece of text.
_PIECES_OF_TEXT = frozenset(
    {
        "begin",
        "bos",
        "class",
        "cls",
        "cur",
        "current",
        "each",
        "end",
        "eos",
        "first",
        "image",
        "input",
        "label",
        "last",
        "mask",
        "max",
        "min",
        "n",
        "new",
        "next",
        "num",
        "oov",
        "output",
        "pad",
        "padding",
        "per",
        "prev",
        "previous",
        "sep",
        "separator",
        "source",
        "special",
        "src",
        "start",
        "stop",
        "sub",
        "target",
        "text",
        "tgt",
        "unk",
        "unknown",
        "word",
    }
)
#: Properties of a secret, or a place where one is kept: ``password_field``, ``token_ids``.
_ABOUT = frozenset(
    {
        "attempts",
        "budget",
        "check",
        "checker",
        "class",
        "classification",
        "col",
        "column",
        "columns",
        "count",
        "counts",
        "dict",
        "dim",
        "dir",
        "drop",
        "embedding",
        "embeddings",
        "enabled",
        "endpoint",
        "error",
        "expired",
        "expires",
        "expiry",
        "field",
        "fields",
        "file",
        "filename",
        "folder",
        "form",
        "format",
        "freq",
        "frequency",
        "generator",
        "hint",
        "ids",
        "index",
        "indices",
        "input",
        "kind",
        "label",
        "len",
        "length",
        "lengths",
        "level",
        "levels",
        "limit",
        "list",
        "logits",
        "manager",
        "map",
        "mask",
        "masks",
        "max",
        "min",
        "missing",
        "name",
        "names",
        "nnz",
        "path",
        "pattern",
        "placeholder",
        "policy",
        "pos",
        "positions",
        "probs",
        "prompt",
        "protected",
        "provider",
        "required",
        "reset",
        "rotation",
        "shape",
        "size",
        "sizes",
        "store",
        "strength",
        "text",
        "timeout",
        "ttl",
        "type",
        "types",
        "uri",
        "url",
        "validator",
        "version",
        "weight",
        "weights",
        "words",
    }
)
#: Names that ask for a secret, or report that it is missing: ``InvalidCredentials``,
#: ``get_password``.
_ASKS = frozenset(
    {
        "ask",
        "bad",
        "forgot",
        "get",
        "has",
        "hide",
        "incorrect",
        "invalid",
        "is",
        "missing",
        "no",
        "require",
        "requires",
        "show",
        "validate",
        "wrong",
    }
)
#: Names that indicate a secret only if the value looks like one too.
_WEAK = frozenset({"token", "auth", "pass", "pw", "jwt", "cookie"})


@lru_cache(maxsize=4096)
def says_secret(name: str) -> bool:
    """Whether the value of a variable, a key, an option or a header of this name is a secret."""
    words = _split(name)
    if not words or words[-1] in _ABOUT or words[0] in _ASKS:
        return False
    return any(_is_secret(words, place) for place in range(len(words)))


@lru_cache(maxsize=4096)
def says_weakly(name: str) -> bool:
    """Whether a name that indicates a secret is used for other things too: ``token``, ``auth``."""
    words = _split(name)
    return len(words) == 1 and words[0] in _WEAK


def _split(name: str) -> list[str]:
    return [word.lower() for word in _WORDS.findall(name)]


def _is_secret(words: list[str], place: int) -> bool:
    word, before = words[place], words[place - 1] if place else ""
    after = words[place + 1 :]
    if word == "token":
        is_id = after[:1] == ["id"]
        return before not in _PIECES_OF_TEXT and not is_id and not _ABOUT & set(after)
    if word in ("key", "keys"):
        return before in _KEYS
    if word in ("pass", "pw"):
        return len(words) == 1 or (before in _PASSES and not after)
    if word == "auth":
        return not after
    return word in _SECRET or word.endswith(_SECRET_ENDS)
