"""What makes two free texts differ however similar they sound.

Sentence embeddings put "hot" beside "cold" and "the cat chases the dog" beside its reverse. Each
check here finds one kind of difference; a pair that passes them all may still differ.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from difflib import SequenceMatcher
from fractions import Fraction

from empo_serve.semantics.numbers import parse_quantity
from empo_serve.semantics.opposites import (
    contradict,
    direction,
    is_turned,
    marks,
    stem,
    without_turned,
)
from empo_serve.semantics.questions import fold_word, is_open, question_words, words

_NEGATION = re.compile(
    r"\b(?:not|never|no|none|neither|nor|cannot|without|nobody|nothing|unable|false)\b|n['’]t\b",
    re.I,
)
_CHANGE_QUESTION = re.compile(
    r"\bwhat happens to\b|\bhow (?:do|does|did|will|would)\b.*\b(?:change|affect|influence)\b"
    r"|\bwhat (?:is the |)effect\b",
    re.I,
)
_ROLE_QUESTION = re.compile(r"\bwho\b.*\b(?:whom|whose|what|which)\b", re.I)
_BECAUSE = re.compile(
    r",?\s(?:(?<!twice )(?<!half )(?<!times )as|because|since|for|so)\s.*$", re.I | re.S
)
_UNCHANGED = re.compile(
    r"\b(?:not|n['’]t) (?:really |actually )?(?:change|affect|influence|alter|vary)\w*\b"
    r"|\b(?:stays?|remains?|keeps?) (?:the same|constant|as (?:it|they) (?:is|are|was|were))\b"
    r"|\b(?:no|without) (?:change|effect|influence)\b|\bunchanged\b"
    r"|\bnothing (?:changes|happens)\b"
    r"|\b(?:is|are|be) (?:exactly |just )?(?:the same|no different)\b",
    re.I,
)
_WHO_QUESTION = re.compile(r"\b(?:who|which)\b", re.I)
_FIRST_NAME = re.compile(r"(?:(?:[Ii]t|[Tt]hat)(?: is|['’]s) )?([A-Z]\w+)")
_BECOMES = re.compile(
    r"\b(\w+) (?:becom(?:es?|ing)|(?:(?:turn|chang|convert)\w* )?into) (?:an? |the )?(\w+)", re.I
)
_SCOPE = 6  # words that a negation can deny
_MIN_DENIAL = 4  # words; a shorter text is denied as a whole
_PRONOUN = re.compile(r"\b(?:he|she|him|her|they|them|former|latter)\b", re.I)
_CONDITION = re.compile(
    r"^(?:as|when|if|because|since|with)\b[^,]*,\s*"
    r"|,?\s+(?:(?<!twice )(?<!half )(?<!times )as|when|if|because|since)\s.*$",
    re.I,
)
_FUNCTION_WORDS = frozenset(
    stem(w)
    for w in words(
        "the a an is are was were be been being am it its this that these those there they them"
        " their he she him her his hers we our you your i my of in on at to for by from with into"
        " as and or so but than then do does did done has have had having will would can could may"
        " might shall should must which who whom whose what when where why how because since while"
        " whereas if very also just too rather quite some any about over up out off down such own"
        " one ones other others each much many let lets mainly mostly"
        " begin begins began start starts"
    )
)
_CONSEQUENCE = re.compile(r"(?<=\w{3}), so (?!that\b).*$", re.S)
# One gives the effect first ("because"), the other the cause ("so").
_EFFECT_FIRST = re.compile(
    r"\b(?:because|since)\b.* \| .*, so\b|, so\b.* \| .*\b(?:because|since)\b", re.I | re.S
)
_FACTORS = {
    "double": "2", "doubles": "2", "doubled": "2", "doubling": "2", "twice": "2", "triple": "3",
    "triples": "3", "thrice": "3", "half": "0.5", "halve": "0.5", "halves": "0.5",
    "halved": "0.5", "halving": "0.5", "quarter": "0.25",
}  # fmt: skip
_PERCENT = re.compile(r"(?<![\d.])(\d{1,15}(?:\.\d{1,15})?)\s?(?:%|per ?cent\b)", re.I)
_SAME_WORDS = 0.6  # share of common content words from which only their order can differ
_SWAPPED_WORDS = 0.7  # share of the shorter text's content words that both have
_EQUAL_FRAME = 0.5  # share of equal words from which two sentences are one with words replaced


def conflict(question: str, a: str, b: str) -> str | None:
    """What kind of difference there is for certain ("number", "negation", ...), or None."""
    a, b = sorted((a, b))  # SequenceMatcher is not symmetric
    is_why = re.search(r"\bwhy\b", question, re.I)
    if is_why and not (_CONSEQUENCE.search(a) and _CONSEQUENCE.search(b)):
        # What one of them concludes, the other may leave unsaid.
        a, b = _CONSEQUENCE.sub("", a), _CONSEQUENCE.sub("", b)
    a, b = without_turned(a), without_turned(b)
    tokens_a, tokens_b = words(a.lower()), words(b.lower())
    if _numbers(a) != _numbers(b):
        return "number"
    if _negations_differ(a, b):
        return "negation"
    names_a, names_b = _names(a, b, question), _names(b, a, question)
    if (names_a - names_b and names_b - names_a) or _answers_differ(question, a, b):
        return "name"
    if _turned_comparison(a, b):
        return None
    if contradict(_without_condition(question, a), _without_condition(question, b)):
        return "opposite"
    if _roles_differ(question, a, b) or _reversed(a, b) or _swapped(a, b):
        return "role"
    if not is_open(question) and _crossed(question, tokens_a, tokens_b):
        return "role"
    if _is_substitution([stem(w) for w in tokens_a], [stem(w) for w in tokens_b]):
        return "word"
    return None


def _negations_differ(a: str, b: str) -> bool:
    """Does one text deny what the other says? "No car is coming" does not deny "look both ways"."""
    num_a, num_b = (len(_NEGATION.findall(text)) for text in (a, b))
    if num_a % 2 == num_b % 2:
        return False
    if num_a and num_b:
        return True
    denying, plain = (a, b) if num_a else (b, a)
    if len(words(denying)) < _MIN_DENIAL:
        return True
    said = {stem(w) for w in words(plain)} - _FUNCTION_WORDS
    for found in _NEGATION.finditer(denying):
        denied = words(denying[found.end() :])[:_SCOPE]
        if said & ({stem(w) for w in denied} - _FUNCTION_WORDS):
            return True
        if marks(" ".join(denied)) & marks(plain):
            return True  # "does not rise" and "goes up"
    return False


def _answers_differ(question: str, a: str, b: str) -> bool:
    """Who it is stands first: "Carol, because ..." and "It's Anna: ..."."""
    if not _WHO_QUESTION.search(question) or _ROLE_QUESTION.search(question):
        return False
    one, other = _FIRST_NAME.match(a), _FIRST_NAME.match(b)
    if one is None or other is None:
        return False
    asked = question_words(question)
    names = {fold_word(found[1]) for found in (one, other)}
    return len(names) == 2 and names <= asked


def points_at_roles(question: str, text: str) -> bool:
    """Where the question asks who does what, does the text name somebody by a pronoun only?"""
    return bool(_ROLE_QUESTION.search(question) and _PRONOUN.search(text))


def same_change(question: str, a: str, b: str) -> bool | None:
    """Where the question asks how something changes: do both go up, or both down? None if unclear.

    Not covered: answers that name several quantities; those that swap them are told apart.
    """
    if not _CHANGE_QUESTION.search(question) or _swapped(a, b):
        return None
    one, other = (_change(_without_condition(question, _claim(t))) for t in (a, b))
    return None if one is None or other is None else one == other


def _claim(text: str) -> str:
    """Without its reason: what stands before a "because", or behind a "so" if only that tells."""
    before, so, after = text.partition(", so ")
    claim = after if so and _change(before) is None else before
    return _BECAUSE.sub("", claim)


def _change(text: str) -> int | None:
    """0 for up, 1 for down, 2 for no change."""
    if _UNCHANGED.search(text):
        return 2
    return None if _NEGATION.search(text) else direction(text)


def _without_condition(question: str, text: str) -> str:
    """Without a clause that only repeats what the question supposes ("as the price rises")."""
    asked = {stem(w) for w in question_words(question)}
    for clause in _CONDITION.finditer(text):
        new = {stem(w) for w in words(clause[0])} - asked - _FUNCTION_WORDS
        rest = text.replace(clause[0], "")
        if words(rest) and all(direction(w) is not None or w in ("go", "goe") for w in new):
            return rest
    return text


def _turned_comparison(a: str, b: str) -> bool:
    """ "Sound is slower than light" and "light is faster than sound"."""
    one, other = a.lower().partition(" than "), b.lower().partition(" than ")
    if not one[1] or not other[1]:
        return False
    sides = [
        [{stem(w) for w in words(part)} - _FUNCTION_WORDS for part in (text[0], text[2])]
        for text in (one, other)
    ]
    is_turned_around = sides[0][0] & sides[1][1] and sides[0][1] & sides[1][0]
    degrees = [marks(words(text[0])[-1]) if words(text[0]) else set() for text in (one, other)]
    opposite = {(line, 1 - side) for line, side in degrees[1]}
    return bool(is_turned_around and degrees[0] & opposite)


def _numbers(text: str) -> list[str]:
    percents = [str(Fraction(p) / 100) for p in _PERCENT.findall(text)]
    tokens = words(_PERCENT.sub(" ", text).lower())
    # "one" and "the two" are mostly pronouns, "first" and "second" mostly steps.
    counted = [
        _FACTORS.get(token, token)
        for before, token in zip(("", *tokens), tokens, strict=False)
        if token not in ("one", "first", "second") and (before, token) != ("the", "two")
    ]
    quantities = [parse_quantity(token) for token in counted]
    return sorted(percents + [str(q.value) for q in quantities if q])


def _names(text: str, beside: str, question: str) -> frozenset[str]:
    """Proper nouns. At the start of a sentence a capital says nothing by itself."""
    inner = re.compile(r"(?<![.!?:]\s)(?<!^)\b[A-Z]\w+")
    known = {w.lower() for t in (text, beside, question) for w in inner.findall(t)}
    return frozenset(w.lower() for w in re.findall(r"\b[A-Z]\w+", text) if w.lower() in known)


def _roles_differ(question: str, a: str, b: str) -> bool:
    """Who does what to whom is in the order of what both name, passive and "borrow" considered."""
    asked = {stem(w) for w in question_words(question)}
    named = {stem(w) for t in (a, b) for w in re.findall(r"(?<!^)\b[A-Z]\w+", t)}
    order_a, order_b = (
        [w for w in map(stem, words(text)) if w not in _FUNCTION_WORDS] for text in (a, b)
    )
    # A word that comes twice has no one place.
    common = set(_once_in_both(order_a, order_b))
    if len(common) < _SAME_WORDS * len({*order_a, *order_b}):
        common &= asked | named
    order_a, order_b = [w for w in order_a if w in common], [w for w in order_b if w in common]
    if len(common) < 2:
        return False
    if order_a != order_b and order_a != order_b[::-1]:
        return True
    return (order_a != order_b) != (is_turned(a) != is_turned(b))


def _once_in_both(a: Sequence[str], b: Sequence[str]) -> list[str]:
    """In the order of `a`."""
    counts_a, counts_b = Counter(a), Counter(b)
    return [w for w in a if counts_a[w] == counts_b[w] == 1]


def _reversed(a: str, b: str) -> bool:
    """ "A liquid becomes a gas" against "gas into liquid": what one begins with, the other ends."""
    one, other = ([tuple(map(stem, f)) for f in _BECOMES.findall(t)] for t in (a, b))
    return any(x[0] == y[1] or x[1] == y[0] for x in one for y in other)


def _swapped(a: str, b: str) -> bool:
    """ "Perseverance beats talent" against "talent beats perseverance": around a word that both
    have, what stands before it in one stands behind it in the other, and the reverse."""
    if is_turned(a) != is_turned(b) or _EFFECT_FIRST.search(a + " | " + b):
        return False
    order_a, order_b = (
        [w for w in map(stem, words(text)) if w not in _FUNCTION_WORDS] for text in (a, b)
    )
    common = _once_in_both(order_a, order_b)
    if len(common) < _SWAPPED_WORDS * min(len(order_a), len(order_b)):
        return False
    for i, middle in enumerate(common):
        before, after = set(common[:i]), set(common[i + 1 :])
        at = order_b.index(middle)
        if before & set(order_b[at:]) and after & set(order_b[:at]):
            return True
    return False


def _crossed(question: str, a: Sequence[str], b: Sequence[str]) -> bool:
    """Where the question wants one of those that it names, each answer names another."""
    asked = {stem(w) for w in question_words(question)} - _FUNCTION_WORDS
    one, other = ({stem(w) for w in text} & asked for text in (a, b))
    return bool(one - other) and bool(other - one)


def _is_substitution(a: Sequence[str], b: Sequence[str]) -> bool:
    """The same sentence with a content word put in another's place says something else."""
    matcher = SequenceMatcher(None, a, b, autojunk=False)
    edits = [op for op in matcher.get_opcodes() if op[0] != "equal"]
    changed = sum(max(i2 - i1, j2 - j1) for _, i1, i2, j1, j2 in edits)
    if len(edits) <= 2 and changed <= 2:
        return any(_content(a[i1:i2]) != _content(b[j1:j2]) for _, i1, i2, j1, j2 in edits)
    if matcher.ratio() < _EQUAL_FRAME:
        return False
    removed = {w for _, i1, i2, _, _ in edits for w in _content(a[i1:i2])}
    added = {w for _, _, _, j1, j2 in edits for w in _content(b[j1:j2])}
    if removed == added:  # the same words in another order
        return bool(removed)
    return bool(removed - added) and bool(added - removed)


def _content(tokens: Sequence[str]) -> frozenset[str]:
    return frozenset(tokens) - _FUNCTION_WORDS
