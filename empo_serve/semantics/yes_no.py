"""Whether an answer to a yes/no question says yes or no."""

from __future__ import annotations

import re

from empo_serve.semantics.opposites import marks
from empo_serve.semantics.questions import fold_word as fold
from empo_serve.semantics.questions import question_words, words

_YES = (
    "yes|yeah|yep|true|correct|indeed|absolutely|definitely|certainly|sí|si|oui|ja|sim|да"
    "|是的?|对|はい"
)
_NO = "no|nope|nah|don['’]t|false|incorrect|wrong|never|non|nein|não|нет|不是?|不对|いいえ"
_LEADING = re.compile(
    rf"^\W*(?:(?:absolutely|definitely|certainly|of course)\s+(?P<not>not)\b|(?P<no>{_NO})"
    rf"|(?P<yes>{_YES}))"
    r"(?=$|[\s,.;:!)*。，])",
    re.I,
)
# Negation in the languages whose questions `is_yes_no` knows.
_FOREIGN_NO = re.compile(
    r"\b(?:nicht|kein\w*|niet|geen|no|nunca|pas|jamais|não|nunca|non|mai|не|нет)\b|ません|ない|不",
    re.I,
)
_FOREIGN = re.compile(
    r"[¿а-яぁ-ヿ一-鿿]|\b(?:ist|sind|hat|kann|est|une?|la|el|os?|il|een|é|è)\b", re.I
)
_FALSE = re.compile(
    r"\b(?:that|this|it|the statement|the claim)(?:['’]s| is) (?:false|not (?:true|correct"
    r"|the case)|incorrect|untrue|wrong)\b",
    re.I,
)
_TRUE = re.compile(
    r"\b(?:that|this|it|the statement|the claim)(?:['’]s| is) (?:true|correct|right)\b", re.I
)
_NEGATION = re.compile(
    r"\b(?:not|never|no|none|neither|nor|cannot|unable|without|nobody|nothing|impossible)\b|n['’]t\b",
    re.I,
)
_REASON = re.compile(r"[,;:.]\s|\s(?:because|since|as|but|although|though)\s", re.I)
_OPPOSITES = (
    (
        "larger greater bigger more above higher taller longer older heavier faster warmer"
        " hotter after",
        "smaller less lower fewer below shorter younger lighter slower cooler colder before",
    ),
    ("won win wins winning", "lost lose loses losing defeated beaten"),
    ("even", "odd"),
    ("hot", "cold"),
    ("alive living", "dead"),
)
_AUXILIARY = re.compile(
    r"\s*(?:is|are|was|were|am|do|does|did|can|could|will|would|should|has|have|had|may|might)\b",
    re.I,
)
_FOREIGN_PRONOUNS = frozenset(
    words("lo la es er sie das c'est c ce il elle en un une ein eine uno una é è isso sim esto это")
)
_STOP = frozenset(
    words(
        "is are was were am do does did can could will would shall should has have had may"
        " might must be been it its they them he she this that the a an of to in on at by for"
        " and or than with as there one so true false correct yes no answer you we i"
    )
)


def polarity(question: str, answer: str) -> bool | None:
    """True for yes, False for no, None when the answer does not tell.

    It reads a leading yes or no, "that is (not) true", a bare auxiliary ("It does not"), and a
    statement that repeats the question's own words, with or without a negation. Not covered:
    statements that imply the answer through other words.
    """
    text = answer.strip()[:2000]
    if leading := _LEADING.match(text):
        return leading["yes"] is not None
    if _FALSE.search(text):
        return False
    if _TRUE.search(text):
        return True
    clause = _REASON.split(text.rstrip(" .!。"))[0]
    if _FOREIGN.search(question) and not _AUXILIARY.match(question):
        return _foreign_polarity(question, clause)
    said = [w if w in _STOP else fold(w) for w in words(clause.lower())]
    negated = len(_NEGATION.findall(clause)) % 2 == 1
    content = [w for w in said if w not in _STOP and not _NEGATION.search(w)]
    asked = {w for w in question_words(question) if w not in _STOP and not _NEGATION.fullmatch(w)}
    if not content:
        return not negated if len(said) >= 1 else None
    asked_negated = bool(_NEGATION.search(question))
    for one, other in _OPPOSITES:
        sides = ({fold(w) for w in one.split()}, {fold(w) for w in other.split()})
        for mine, opposite in (sides, sides[::-1]):
            if asked & mine and set(content) & opposite and not set(content) & mine:
                after = _after_subject(question, said, negated)
                if after is not None:
                    return after
    told = _by_opposites(question, clause) if len(said) <= 12 else None
    if told is not None:
        return told == (negated == asked_negated)
    known = [w for w in content if w in asked]
    if len(known) == len(content) and negated and len(said) <= 5:
        return asked_negated  # "Africa isn't one."
    if known and len(known) >= 0.6 * len(asked) and len(known) >= 0.6 * len(content):
        return negated == asked_negated
    return None


def _by_opposites(question: str, clause: str) -> bool | None:
    """Whether the clause says the question's word ("rise", "go up") or its opposite ("go down") of
    the same subject; None when it says neither or both."""
    subject, _, compared = question.lower().partition(" than ")
    beside = {fold(w) for w in words(compared)} - {fold(w) for w in words(subject)}
    asked = question_words(question) - _STOP
    known = [fold(w) for w in words(clause) if fold(w) in asked]
    if not known or known[0] in beside:
        return None
    asked_marks, said_marks = marks(question), marks(clause)
    repeated = {line for line, _ in marks(" ".join(known))}
    found = set()
    for line in {line for line, _ in asked_marks} & {line for line, _ in said_marks} - repeated:
        sides_asked = {side for at, side in asked_marks if at == line}
        sides_said = {side for at, side in said_marks if at == line}
        if len(sides_asked) == len(sides_said) == 1:
            found.add(sides_asked == sides_said)
    return found.pop() if len(found) == 1 else None


def _foreign_polarity(question: str, clause: str) -> bool | None:
    """A short clause that repeats the question says yes, with a negation no."""
    said = [fold(w) for w in words(clause.lower())]
    asked = question_words(question)
    new = [w for w in said if w not in asked and w not in _FOREIGN_PRONOUNS]
    if _FOREIGN_NO.search(clause):
        return False if len(said) <= 4 or len(new) <= 1 else None
    return True if said and not new and len(said) <= 8 else None


def _after_subject(question: str, said: list[str], negated: bool) -> bool | None:
    """An opposite word says no, unless the sentence also turns the subject around."""
    asked = [fold(w) for w in words(question) if fold(w) not in _STOP]
    subject = next((w for w in asked if w in said), None)
    if subject is None:
        return negated
    others = [w for w in said if w in asked]
    if not others or others[0] == asked[0]:
        return negated
    return None
