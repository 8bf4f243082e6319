"""Phrases that no text of detaudit has any more: the old vocabulary, and what nobody would say.

One list for the declarations, the pages, the golden files and every string of the engine. A text is
searched with its white space collapsed (``found``), so a phrase may be wrapped.
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


def found(text: str) -> list[str]:
    """Each retired phrase of the text, with some words around it."""
    line = " ".join(text.split())
    return [line[max(0, one.start() - 30) : one.end() + 10] for one in RETIRED.finditer(line)]
