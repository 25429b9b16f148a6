"""What a sentence comes to: the part behind "so", "gives", "that is", and the value at its end."""

from __future__ import annotations

import re

from empo_serve.semantics.echo import new_words
from empo_serve.semantics.equations import numbers
from empo_serve.semantics.numbers import parse_quantity
from empo_serve.semantics.questions import words

_SO = re.compile(
    r"(?:[,;]\s+(?:and\s+)?|\s+and\s+)(?:so(?! (?:that|on|forth|much|many)\b)|therefore|thus"
    r"|hence|giving|which (?:gives|makes|equals|(?:reduces|simplifies|comes|rounds) to)"
    r"|(?<=\d, )that is)\b,?\s+|[.!]\s+(?:so|therefore|thus|hence)\b,?\s+"
    r"|;\s+(?:put together|together|combined|altogether),?\s+",
    re.I,
)
_LEAD_IN = re.compile(
    r"^(?:so|therefore|thus|hence|then|and|well|in conclusion|in summary|overall|finally"
    r"|consequently|as a result|this (?:means|implies)(?: that)?|that means|we (?:get|have|find"
    r"|obtain)(?: that)?)\b,?\s+",
    re.I,
)
# "Subtracting 32 gives 45 °C"
_GIVES = re.compile(
    r"^(?:\w+ing\b[^.,;]{0,60}|that|this|it|which) (?:gives|yields|makes|leaves|results in"
    r"|comes to)(?: (?:us|you|me))? (?=\S)|^.{3,60} (?:when|if|for) \$?[a-z]\$? (?:equals|is) ",
    re.I,
)
_THAT_IS = re.compile(
    r"[,;:] (?:that is(?: to say)?,|that is(?= \$)|i\.?e\.?,?|namely,?|in other words,?) ", re.I
)
# "The three add up to 21, and a third of that is seven"
_FINAL_VALUE = re.compile(
    r"(?:[,;] |\d.{0,40} (?=is|are|equals|makes|gives)|\d.{0,40} and (?=(?:he|she|it|they) ha[sd]))"
    r"(?:.*\b(?:is|are|equals|makes|gives|has|had) )?"
    r"(?:at least |exactly )?(?P<value>\S+(?: \S+){0,5})$",
    re.I,
)
_MAX_FINAL = 200  # characters: a pattern looks on from each comma of them
_MAX_PHRASE = 4  # words


def concluded(text: str, asked: frozenset[str]) -> str:
    """The last conclusion of a sentence, without its lead-in; the sentence where it draws none."""
    text = _SO.split(text)[-1]
    while (lead := _LEAD_IN.match(text)) and text[lead.end() :]:
        text = text[lead.end() :]
    if (gives := _GIVES.match(text)) and _is_value(text[gives.end() :].strip()):
        text = text[gives.end() :]
    return _restated(text, asked)


def final_value(text: str) -> str:
    """The quantity that a sentence with another number or clause ends with; "" without one."""
    final = _FINAL_VALUE.search(text[-_MAX_FINAL:])
    return final["value"] if final and parse_quantity(final["value"]) is not None else ""


def _is_value(text: str) -> bool:
    return parse_quantity(text) is not None or bool(numbers(text))


def _restated(text: str, asked: frozenset[str]) -> str:
    """ "Jupiter III, that is, Ganymede" -> "Ganymede"; of a name and a description the name."""
    before, found, after = (
        text.partition(says[0]) if (says := _THAT_IS.search(text)) else ("", "", "")
    )
    if not found or not new_words(after, asked):
        return text
    has_name = [any(w[:1].isupper() for w in new_words(part, asked)) for part in (before, after)]
    is_phrase = len(words(before)) <= _MAX_PHRASE
    return before if is_phrase and has_name == [True, False] else after
