"""Retired phrases: the old vocabulary, and what no engineer would say.

One list for the declarations, the pages, the golden files, and the strings, docstrings and comments
of the engine and the guest. A text is searched with its white space collapsed, so a phrase may be
wrapped.
"""

import re

_THINGS = r"(?:runs?|pairs?|they|replays|trainings?|processes|settings)"
_UNITS = "side|core|step|column|row|library|file|command|pass|call|source|table"
#: What a report counts: one of it is no plural.
_COUNTED = "run|pair|trial|step|replay|draw|element|weight|model|source|operation|core"

RETIRED = re.compile(
    rf"\b{_THINGS} (?:part|parted|agree|agreed|disagree)\b"
    r"|\bpairs? of \S+ part\b|\bpart(?:s|ed)? again\b"
    r"|\bto the last bit\b|\b(?:let|set|makes?) loose\b"
    r"|\bloose(?:ned)? (?:pairs?|runs?|sources?|generators?)\b"
    r"|\b(?:was|were|is|are|be) (?:not )?(?:seen|told|held|watched)\b|\? not seen\b"
    r"|\b(?:recipes?|pins?) (?:holds?|held)\b|\bis held by\b|\bheld back\b"
    r"|\bholds? (?:it|the source|sources|the runs|them|both)\b"
    r"|\bbare (?:runs?|trials?|trainings?|ones?)\b|\bwatched (?:runs?|trainings?|steps?)\b"
    r"|\b(?:born|came in) (?:there|in|with)\b|\brests? on\b|\bas chance has it\b"
    r"|\bof one and the same\b|\bfor want of\b|\bis another one\b"
    r"|\b(?:price|prices) of\b|\bhas a price\b"
    r"|\b(?:go|goes|to go) on with\b|\bto go on\b|\btaken up\b|\btakes? away\b|\bthrown away\b"
    r"|\b(?:one|lines?|pairs?|rows?|seconds|source|threads?|elements) a "
    rf"(?:{_UNITS})\b|\b(?:step|pairs|line) a side\b"
    r"|\b(?:repeats?|repeating) (?:itself|themselves)\b"
    r"|\b(?:otherwise than|its like|and its kin|in its own right)\b"
    r"|\bstands? still\b|\bis (?:no|not) there\b|\bany more\b"
    r"|\bwill do (?:too|as well)\b|\bbear on\b|\bfrom luck\b"
    r"|\blooks? after\b|\bmend it\b"
    rf"|(?<![\d.,])1 (?:(?:{_COUNTED})s|processes)\b|(?<![\d.,])1 of [\d,]+ (?:{_COUNTED})s? differ\b"
    r"|\b(?:all|any one of the) 2 \w+s\b|\bdistinct of \d|\brates? above \S+ excluded\b"
    r"|\b(?:name|give|choose|(?:change|switch) to) another one\b|\bthe path of one\b"
    r"|\boriginates there\b|\bworks? as well\b|\bby others\b|\bbug issues?\b|\bgiven seeds\b"
    r"|\bsame program\b|\bchanged program\b",
    re.IGNORECASE,
)


#: Words that docstrings and comments had only in their old meaning; messages may need some of them.
PROSE = re.compile(
    r"\b(?:parted|partings?|agree(?:s|d|ing|ments?)?|loose[nd]?|loosing|born|mend(?:s|ed|ing)?)\b"
    r"|\b(?:bare|guilty|watched|watching|held|told|luck|prices?)\b"
    r"|\b(?:seen to|thrown away|for want of)\b",
    re.IGNORECASE,
)


def found(text: str) -> list[str]:
    """Return each retired phrase of the text, with some words around it."""
    return _found(text, RETIRED)


def found_in_prose(text: str) -> list[str]:
    """Return each retired phrase of a docstring or comment, with some words around it."""
    return _found(text, RETIRED, PROSE)


def _found(text: str, *patterns: re.Pattern[str]) -> list[str]:
    line = " ".join(text.split())
    return [
        line[max(0, phrase.start() - 30) : phrase.end() + 10]
        for pattern in patterns
        for phrase in pattern.finditer(line)
    ]
