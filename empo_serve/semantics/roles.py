"""Who of those that a question names is meant, where the answer tells it by another's part."""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.opposites import marks
from empo_serve.semantics.questions import words

_ASKED_ROLE = re.compile(r"\bwho (?:is|was|were|are) the (?:\w+ )?(?P<role>[a-z]+)\b", re.I)
_ASKED_DEGREE = re.compile(
    r"\b(?:who|which)(?: of (?:them|the two))? (?:is|was) (?:the )?(?P<how>\w+er)\b", re.I
)
_NAME = re.compile(r"(?<!^)(?<![.?!] )\b[A-Z][\w'’-]+")
_CONCLUDED = re.compile(r"(?P<who>[A-Z][\w'’-]+) .*\bso (?:he|she|they) (?:is|was|are|were)\b")
_NEGATION = re.compile(r"\b(?:not|never|neither|nor)\b|n['’]t\b", re.I)
_DEGREE = re.compile(r"(?P<who>[A-Z][\w'’-]+) (?:is|was) (?:the )?(?P<how>\w+er)\b")
_MAX_LENGTH = 200


@lru_cache(maxsize=512)
def _asked(pattern: re.Pattern[str], question: str) -> str:
    found = pattern.search(question[-2000:])
    return found[1] if found else ""


def named_role(question: str, text: str) -> str:
    """ "Tomas" of "Priya was the seller and Tomas the buyer", where the buyer is asked for, and
    "Priya" of "Priya paid, so she is the buyer"; "" where nobody is given the part."""
    part = _asked(_ASKED_ROLE, question)
    if not part or len(text) > _MAX_LENGTH or _NEGATION.search(text):
        return ""
    role = rf"the (?:\w+ )?{re.escape(part)}\b"
    given = re.findall(rf"\b([A-Z][\w'’-]+) (?:(?:is|was) )?{role}", text)
    if len(given) == 1:
        return str(given[0])
    concluded = re.match(rf"{_CONCLUDED.pattern} {role}", text)
    return concluded["who"] if concluded else ""


def other_of_two(question: str, text: str) -> str:
    """ "Jana" of "Karl was the shorter one", where the taller of Karl and Jana is asked for."""
    asked = _asked(_ASKED_DEGREE, question)
    said = _DEGREE.match(text) if asked else None
    if said is None:
        return ""
    names = list(dict.fromkeys(_NAME.findall(question)))
    if len(names) != 2 or said["who"] not in names:
        return ""
    if _NEGATION.search(text) or len(words(text)) > 12:
        return ""
    # Tall and long have one opposite.
    wanted, told = (marks(how.lower().replace("tall", "long")) for how in (asked, said["how"]))
    if wanted & told:
        return said["who"]
    is_opposite = {(line, 1 - side) for line, side in wanted} & told
    return names[1 - names.index(said["who"])] if is_opposite else ""
