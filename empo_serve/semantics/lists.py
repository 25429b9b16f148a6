"""Splitting an answer that is a list into its items, in whatever form they are enumerated."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

from empo_serve.semantics.aliases import is_alias
from empo_serve.semantics.echo import is_known
from empo_serve.semantics.names import DISTINGUISHING
from empo_serve.semantics.normalize import normalize
from empo_serve.semantics.numbers import parse_quantity
from empo_serve.semantics.opposites import stem
from empo_serve.semantics.questions import words

_AND_WORD = (
    r"(?:and|or|plus|as well as|along with|together with|then|followed by|finally|lastly|und"
    r"|sowie|et|ainsi que|así como|а также)"
)
_AND = rf"(?:{_AND_WORD}|y|e|ed|en|и)"
_SEPARATOR = re.compile(
    rf"\s*(?:\n|;|[,、，]\s*(?:{_AND_WORD}\s+)+|,\s+|[、，]|,(?!\d{{3}}\b)"
    rf"|\s+(?:{_AND}|vs\.?|versus|&|\+|<|>|/|\|)\s+(?:(?:then|finally|lastly)\s+)?|→|->"
    r"|(?<=[^\W\d]{2})/(?=[^\W\d]{2})|\s\d[.)]\s)\s*",
    re.I,
)
_LABEL = re.compile(
    r"^(?:\d[.)](?!\d)\s*|[-*•]\s+|(?:(?:first|second|third|last)(?:ly)?|then|next|finally"
    r"|in the end|at the end|after (?:that|it|this)),?\s+(?:(?:you|we|one|c[oa]mes?)\s+)?)",
    re.I,
)
_LABEL_AFTER = re.compile(r"\s+(?:(?:is|comes|came|was) )?(?:first|second|third|next|last)$", re.I)
_HEAD = re.compile(
    r"^[^:\n]{1,80}:\s+(?=.*(?:[,\n]|\b(?:and|or|und|et|y|e|as well as)\b))"
    r"|^[^\n]{0,60}\b(?:that is|namely|i\.e\.),?\s+",
    re.S,
)
# "The members were Dylan, ...", "Checking all of them, the primes are 11, ..."
_LEAD = re.compile(
    r"^(?:[^,;\n]*,\s+)?[^,;\n]*\b(?:are|were|is|include|includes|sind|waren|sont|son|sono)\s+"
    r"(?=[^,\n]+(?:,|\band\b|\bor\b|\bund\b|\bet\b|\by\b))"
)
_AND_SO_ON = re.compile(r",?\s+(?:etc\.?|and so on|and so forth|among others|et cetera)$", re.I)
_HYPHENED = re.compile(r"\w(?:-\w){2,}")
_PARENTHESES = re.compile(r"\s*\([^()]*\)")
# Words around the items: "both", "you need", "made with"; "in the east"
_FRAME = frozenset(
    words(
        "a an the into go goes both only just mostly mainly all either it they you we there"
        " its these those are is was were be made make up of with from consist consists"
        " contain contains include includes included need needs use uses used have has had do"
        " does did no not without one ones them too also respectively nur only sie es sind las"
        " los son sont ce"
    )
)
_VERBS = frozenset(words("go goes have has had do does did is are was were need needs"))
_PLACE_AFTER = re.compile(r"(?<=\w)\s+(?:in|on|at|from)\s+(?:the\s+)?[a-z]\w*$")
_ADJUNCT = re.compile(r"(?:in|on|at|with|by|which|where|who|because|since|for|from|not)\b", re.I)
_DOING = re.compile(r"[a-z]+ing (?=\S)")  # "Achilles, avenging Patroclus"
# "five and seven lie in that range", "... were the four"
_TAIL = re.compile(
    r"(?P<list>,.*\band \S+)\s+(?:lie|fit|qualify|were|are|do)"
    r"(?: (?:in|within|between|the|all) [^,]*)?$"
)
_AND_MORE = re.compile(r"(?:with|which|where|who|because|since|while|whereas)\b", re.I)
_COUNTED = re.compile(r"\d+ [a-z]")
_MAX_ITEM_WORDS = 4
_MAX_LENGTH = 2000


@lru_cache(maxsize=1024)
def list_items(text: str, asked: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Normalised items of the list that `text` is; empty when it is none.

    `asked` are the stems of the question's words: at the edges of an item they are its frame.
    """
    if len(text) > _MAX_LENGTH or _is_number(text):
        return ()
    text = _LEAD.sub("", _HEAD.sub("", _PARENTHESES.sub("", text.strip().rstrip("."))))
    if _HYPHENED.fullmatch(text):
        text = text.replace("-", ", ")
    if text[:1] + text[-1:] in ("{}", "[]"):
        text = text[1:-1]
    text = _TAIL.sub(r"\g<list>", _AND_SO_ON.sub("", text))
    items: list[str] = []
    for part in _SEPARATOR.split(text):
        item = without_frame(_LABEL_AFTER.sub("", _LABEL.sub("", part.strip())), asked)
        if len(items) > 1 and _AND_MORE.match(part.strip()):
            break  # what follows is no more of the list
        if not item or (items and (_ADJUNCT.match(item) or _DOING.match(item))):
            continue
        if len(item.split()) > _MAX_ITEM_WORDS:
            return ()
        quantity = parse_quantity(item)
        items.append(f"{quantity.value} {quantity.unit}".strip() if quantity else normalize(item))
    if len(items) > 2 and _COUNTED.match(items[0]) and items[0].split()[0] == str(len(items) - 1):
        items = items[1:]  # "the two innermost ones, Venus and Mercury"
    return tuple(items) if len(items) > 1 else ()


def _is_number(text: str) -> bool:
    """ "One thousand and twenty-four" is one, and no list of two."""
    quantity = parse_quantity(text) if text[:1].isalpha() else None
    return quantity is not None and not quantity.unit


def without_frame(part: str, asked: frozenset[str]) -> str:
    """The item in "you need tequila" or "Venus have no moons"; "" where nothing is left of a part
    such as "only two planets" or "have no moons"."""
    tokens = part.split()
    if len(tokens) < 2 or len(tokens) > 12:
        return part.strip()
    if (quantity := parse_quantity(part)) is not None and not quantity.unit:
        return part.strip()  # "minus one"
    is_frame = [_is_frame(token, asked) for token in tokens]
    if all(
        is_frame[i] or t.lower() in _FRAME or parse_quantity(t) is not None
        for i, t in enumerate(tokens)
    ):
        return _repeated_item(tokens)
    start, end = 0, len(tokens)
    while start < end - 1 and is_frame[start]:
        start += 1
    while end - 1 > start and is_frame[end - 1]:
        end -= 1
    return _PLACE_AFTER.sub("", " ".join(tokens[start:end]))


def _repeated_item(tokens: list[str]) -> str:
    """The item of a part that has nothing new: one that the question offers, or none."""
    rest = [t for t in tokens if t.lower().strip(".,") not in _FRAME]
    if tokens[0].lower() in ("you", "we", "i") and tokens[1].lower() in _VERBS:
        return " ".join(rest)  # "you need salt"
    if any(c.isdecimal() for c in "".join(rest)):
        return " ".join(rest)
    is_predicate = any(t.lower() in _VERBS for t in tokens)
    is_count = len(rest) > 1 and any(parse_quantity(t) is not None for t in rest)
    return "" if is_predicate or is_count else " ".join(rest)


def _is_frame(token: str, asked: frozenset[str]) -> bool:
    word = token.strip(".,;:!?\"'").lower()
    if word in DISTINGUISHING:
        return False
    return word in _FRAME or (bool(asked) and word.isalpha() and is_known(token, asked))


def same_items(question: str, a: Sequence[str], b: Sequence[str], is_ordered: bool) -> bool:
    """Do the two lists have the same items, one by one? A first name or a surname stands for the
    whole name here, as all the other items have to fit too."""
    if is_ordered:
        return len(a) == len(b) and all(
            _same_item(question, x, y) for x, y in zip(a, b, strict=True)
        )
    left, right = sorted(set(a)), sorted(set(b))
    if len(left) != len(right):
        return False
    if _are_initials(left, right) or _are_initials(right, left):
        return True
    for item in left:
        partner = next((x for x in right if x == item), None) or next(
            (x for x in right if _same_item(question, item, x)), None
        )
        if partner is None:
            return False
        right.remove(partner)
    return True


def _are_initials(letters: Sequence[str], items: Sequence[str]) -> bool:
    """ "A, C, G, T" for adenine, cytosine, guanine and thymine."""
    return all(len(letter) == 1 and letter.isalpha() for letter in letters) and (
        sorted(letters) == sorted(item[0] for item in items)
    )


def _same_item(question: str, a: str, b: str) -> bool:
    # A symbol of an element has lost its capital.
    symbols = [x.capitalize() if len(x) < 3 else x for x in (a, b)]
    if a == b or is_alias(question, *symbols):
        return True
    if len(min(a, b, key=len)) > 2 and [stem(w) for w in a.split()] == [stem(w) for w in b.split()]:
        return True
    short, long = sorted((a.split(), b.split()), key=lambda words: (len(words), words))
    if len(short) != 1 or len(long) == 1 or not short[0].isalpha() or len(short[0]) < 3:
        return False
    return short[0] in (long[0], long[-1]) and not set(long) & DISTINGUISHING
