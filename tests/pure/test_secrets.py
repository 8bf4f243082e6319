"""No secret stands in a report, in whatever form, field and format; and what is none stays as it
is.
"""

import time
from types import SimpleNamespace

import msgspec
import pytest
from detaudit.machine.secrets.forms import MARK, mask, mask_named
from detaudit.machine.secrets.names import says_secret
from detaudit.machine.secrets.values import collect, mask_values
from detaudit.report.build.convert import Converter
from detaudit.report.formats import registry
from detaudit.report.privacy import Private
from detaudit.report.schema import v1

from tests.pure import golden, schema
from tests.pure.private_examples import FORMS, HARMLESS, HUNTER, KEY_BLOCK, LATER, RANDOM

PRIVATE = Private(home="/home/ada", temporary="/tmp", host="engine")


def document(kind: type[v1.Document], text: str, private: Private = PRIVATE) -> v1.Document:
    """A document from findings with ``text`` in every field in which text may stand."""
    return Converter(private, {}, None).part(kind, schema.filled(kind, text))


def formats(found: v1.Document) -> dict[str, str]:
    """A document in every format, with all that a reader may ask for."""
    rendered = {name: registry.rendered(found, name) for name in registry.FORMATS}
    shown = {"terminal": golden.on_terminal(found, 80)}
    verbose = {"terminal -v": golden.on_terminal(found, 4000, verbose=True)}
    return {**rendered, **shown, **verbose}


def test_there_are_enough_of_both():
    assert len(FORMS) >= 40 and len(HARMLESS) >= 60 and len(set(HARMLESS)) == len(HARMLESS)


def all_strings(found: v1.Document) -> str:
    return "\n".join(schema.strings(msgspec.to_builtins(found)))


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_stands_in_no_field_of_any_document(form):
    text, gone = FORMS[form]
    for kind in schema.DOCUMENTS:
        strings = all_strings(document(kind, text))
        assert strings.count(MARK) >= text_fields(kind)
        assert not [secret for secret in gone if secret in strings]


def text_fields(kind: type) -> int:
    """How often free text stands in a document that is filled."""
    marker = "free text"
    return all_strings(schema.filled(kind, marker)).count(marker)


@pytest.mark.parametrize("place", range(len(FORMS)), ids=list(FORMS))
def test_a_secret_stands_in_no_format(place):
    """Which draw what the test above has looked through: one command's document each."""
    text, gone = list(FORMS.values())[place]
    kind = schema.DOCUMENTS[place % len(schema.DOCUMENTS)]
    for name, shown in formats(document(kind, text)).items():
        assert not [secret for secret in gone if secret in shown], name


def test_the_formats_show_what_was_masked():
    for kind in schema.DOCUMENTS:
        for name, shown in formats(document(kind, "zebrafish")).items():
            assert "zebrafish" in shown, name


@pytest.mark.parametrize("text", LATER)
def test_forms_that_were_written_down_after_the_rules(text):
    assert MARK in mask(text) and HUNTER not in mask(text)


@pytest.mark.parametrize("line", HARMLESS)
def test_a_harmless_line_stays_as_it_is(line):
    assert mask(line) == line
    assert Private().text(line) == line


@pytest.mark.parametrize("form", FORMS)
def test_masking_keeps_the_lines_and_is_done_once(form):
    text, _ = FORMS[form]
    masked = mask(text)
    assert masked.count("\n") == text.count("\n")
    assert mask(masked) == masked


def test_masking_a_value_keeps_the_lines():
    text = "a\nfirst line of it\nsecond line of it\nb"
    masked = mask_values(text, collect(ENVIRONMENT))
    assert masked == f"a\n{MARK}\n{MARK}\nb"


@pytest.mark.parametrize("sign", " +-")
@pytest.mark.parametrize("form", FORMS)
def test_a_secret_in_a_diff_leaves_a_diff(form, sign):
    """Every line keeps its sign."""
    text, gone = FORMS[form]
    diff = "\n".join(sign + line for line in text.split("\n"))
    masked = mask(diff)
    assert not [secret for secret in gone if secret in masked]
    signs = {line[:1] for line in masked.split("\n")}
    assert signs == {sign} or form.startswith("key block") or masked.startswith(MARK)


def test_the_rest_of_the_line_stays_readable():
    assert mask(f'connect("db", password="{HUNTER}", timeout=3)  # slow') == (
        'connect("db", password="<secret>", timeout=3)  # slow'
    )
    assert mask(f"train.py --password {HUNTER} --epochs 3") == (
        "train.py --password <secret> --epochs 3"
    )
    assert mask(f"postgresql://ada:{HUNTER}@db:5432/x") == "postgresql://<secret>@db:5432/x"


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD",
        "dbPassword",
        "pgpassword",
        "x-api-key",
        "AWS_SECRET_ACCESS_KEY",
        "HUGGING_FACE_HUB_TOKEN",
        "SMTP_PASS",
        "CLIENT_SECRET_PROD",
        "AccountKey",
        "Authorization",
        "password2",
    ],
)
def test_names_that_say_secret(name):
    assert says_secret(name)


@pytest.mark.parametrize(
    "name",
    [
        "token_ids",
        "max_tokens",
        "tokenizer",
        "pad_token_id",
        "password_field",
        "SSH_AUTH_SOCK",
        "author",
        "forward_pass",
        "rng_key",
        "key",
        "InvalidCredentials",
        "secretary",
        "one_thread_pin",
    ],
)
def test_names_that_do_not(name):
    assert not says_secret(name)


def test_a_name_and_its_value_apart_are_a_secret_too():
    facts = PRIVATE.facts(
        {
            "options": {"password": "x", "token_ids": [1], "pin": 123456, "passwd": 123456},
            "arguments": ["--epochs", "3", "--password", "y", "--seed", "1"],
        }
    )
    assert facts == {
        "options": {"password": MARK, "token_ids": [1], "pin": 123456, "passwd": MARK},
        "arguments": ["--epochs", "3", "--password", MARK, "--seed", "1"],
    }
    fix = SimpleNamespace(
        lines=(*KEY_BLOCK.split("\n"), "import random"),
        environment={"DB_PASSWORD": "x", "PYTHONHASHSEED": "0"},
        note="",
    )
    made = Converter(PRIVATE, {}, None).part(v1.Fix, fix)
    assert made.environment == {"DB_PASSWORD": MARK, "PYTHONHASHSEED": "0"}
    assert made.lines == (MARK, MARK, MARK, MARK, "import random")
    assert mask_named("password", "<left out>") == "<left out>"


# Values -------------------------------------------------------------------------------------------

ENVIRONMENT = {
    "DB_PASSWORD": "correct horse",
    "WANDB_API_KEY": "3f9a1c7be2d04586a1b2c3d4e5f60718293a4b5c",
    "SERVICE_TOKEN": "plainword",
    "GOOGLE_APPLICATION_CREDENTIALS": "/etc/keys/reader.json",
    "SSH_AUTH_SOCK": "/tmp/ssh-1/agent",
    "DEBUG_TOKEN": "true",
    "API_SECRET": "keras",
    "TOKENIZERS_PARALLELISM": "false-as-a-word",
    "GIT_AUTHOR_EMAIL": "ada@corp.example",
    "MULTILINE_SECRET": "first line of it\nsecond line of it",
}
ARGUMENTS = ("--epochs", "30000", "--password", "kangaroo", "--api-key=walrus-9", "token=ostrich")


@pytest.mark.parametrize(
    "text",
    [
        "ValueError: cannot connect as correct horse",
        "plainword is refused",
        "the plainwordly service",
        "key 3f9a1c7be2d04586a1b2c3d4e5f60718293a4b5c",
        "https://example.org/?q=correct%20horse",
        "b'Y29ycmVjdCBob3JzZQ=='",
        "mail from ada@corp.example",
        "only the second line of it",
        "cut in the middle: correct h\u2026",
        "kangaroo, walrus-9, ostrich",
    ],
)
def test_what_the_users_own_variables_and_arguments_hold_is_masked_wherever_it_stands(text):
    values = collect(ENVIRONMENT, ARGUMENTS)
    masked = mask_values(text, values)
    assert MARK in masked
    for secret in (
        "correct h",
        "plainword",
        "3f9a",
        "Y29y",
        "ada@",
        "second",
        "kanga",
        "walr",
        "ostr",
    ):
        assert secret not in masked


def test_what_is_no_secret_among_them_stays():
    values = collect(ENVIRONMENT, ARGUMENTS)
    text = "keras, true, /etc/keys/reader.json, /tmp/ssh-1/agent, false-as-a-word, 30000, correct h"
    assert mask_values(text, values) == text


def test_they_stand_in_no_field_of_a_document():
    private = Private(secrets=collect(ENVIRONMENT, ARGUMENTS))
    for kind in schema.DOCUMENTS:
        strings = all_strings(document(kind, "refused: plainword, kangaroo", private))
        assert f"refused: {MARK}, {MARK}" in strings
        assert "plainword" not in strings and "kangaroo" not in strings


def test_a_report_of_here_knows_the_variables_and_the_arguments(monkeypatch):
    monkeypatch.setenv("DB_PASSWORD", "correct horse")
    private = Private.of_here(arguments=ARGUMENTS)
    assert private.text("correct horse, kangaroo") == f"{MARK}, {MARK}"


# Cuts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("longest", range(20, 120, 7))
def test_no_cut_of_ours_lets_a_part_of_a_secret_through(longest):
    private = Private(secrets=(RANDOM,))
    for text in (f"{'a ' * 40}{RANDOM} end", f"{'b ' * 150}password='{HUNTER}' end {RANDOM}"):
        shown = private.text(text, longest)
        assert len(shown) <= longest
        assert RANDOM[:4] not in shown and HUNTER[:4] not in shown


def test_the_end_of_a_text_begins_with_a_whole_line():
    text = f"password = '{'x' * 50}{HUNTER}'\nlast line"
    assert PRIVATE.ending(text, 30) == "last line"


# People -------------------------------------------------------------------------------------------


def test_the_users_name_is_masked_where_it_stands_for_the_user():
    private = Private(home="/home/adam", host="engine")
    shown = private.text("adam@engine, user=adam, /data/adam/x, optimizer adam, Adam(1e-3)")
    assert shown == "<user>@<host>, user=<user>, /data/<user>/x, optimizer adam, Adam(1e-3)"


# Time ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "a:",
        "password=",
        'password="',
        "://a:",
        "a@",
        "<a>",
        "MIIE/abcdEFGH12+",
        "login(",
        "\\",
    ],
)
def test_a_long_text_is_masked_in_a_moment(piece):
    """No form takes a time that grows with the square of the text."""
    began = time.process_time()
    mask(piece * (20_000 // len(piece)))
    assert time.process_time() - began < 2
