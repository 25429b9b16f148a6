"""What a question tells about the form of its answer: options, yes/no, order, words to expect."""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.normalize import without_accents
from empo_serve.semantics.sentences import split_sentences

_LABEL = re.compile(r"(?:(?<=\s)|^)([(\[]?)([A-Ja-j]|[1-9])([).:\]])\s+")
_ROMAN_LABEL = re.compile(r"(?:(?<=\s)|^)\((i{1,3}|iv|vi{0,3})\)\s+")
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii")
# "Select all vowels", "which two are even"
_SEVERAL = re.compile(
    r"\b(?:select|choose|pick|mark|tick|check|name|list|circle) (?:all|every|each|both)\b"
    r"|\b(?:select|choose|pick|mark|which) (?:the )?(?:two|three|ones)\b|\ball that apply\b"
    r"|\bmore than one\b",
    re.I,
)
_ASKED = re.compile(r"\?\s*\Z")
_BARE_LABEL = re.compile(r"(?:(?<=\s)|^)([A-J])\s+(?=\w)")
_AUXILIARY = re.compile(
    r"(?:is|are|was|were|am|do|does|did|can|could|will|would|shall|should|has|have|had|may|might"
    r"|must)$"
)
_NEGATIVE_AUXILIARY = re.compile(
    r"^(\s*(?:[^,?.]{1,80},\s+)?)(is|are|was|were|do|does|did|has|have|had|can|could|would|should"
    r"|wo|ca)n['’]t\b",
    re.I,
)
_FULL_AUXILIARY = {"wo": "will", "ca": "can"}
_YES_NO_HINT = re.compile(
    r"\b(yes or no|yes/no|true or false|true/false|is it true|is it correct)\b", re.I
)
# "Can you name a mammal that flies?"
_REQUEST = re.compile(
    r"^(?:can|could|will|would) you (?:\w+ )?(?:please|tell|give|name|explain|list|help|show|say"
    r"|describe|write|translate|provide|spell|find|think|suggest|recommend|compute|calculate|solve"
    r"|convert|summari[sz]e|define|guess|work|remind|answer|determine|identify)\b"
)
# "In Python, are strings mutable?"
_ADJUNCT = re.compile(
    r"^(?!.*\b(?:who|what|which|whose|where|why|how)\b)[^,?:]{1,120}[,:]\s+"
    r"(?=(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had|may|must)\b)",
    re.I | re.S,
)
# "was" is German there: "Was ist die Hauptstadt?"
_GERMAN_WAS = re.compile(
    r"\bwas (?:ist|sind|war|waren|hat|haben|macht|machen|bedeutet|passiert|geschieht|heißt|kostet"
    r"|kann|wird|muss|misst|für|versteht|isst|trägt|liegt|gehört|ergibt|zeigt|braucht)\b",
    re.I,
)
# A verb first (German, Dutch, Romance), an inverted subject (French), a particle.
_FOREIGN_YES_NO = re.compile(
    r"(?:^|[.!?]\s+)(?:(?:ist|sind|war|waren|hat|haben|kann|können|gibt es|darf|muss|wird|liegt"
    r"|heeft|zijn|kan|está|están|tiene|tienen|puede|pueden|fue|hay|são|tem|têm|pode|foi|há|sono|può"
    r"|possono)\s[^?]*\?$"
    r"|¿\s*(?!(?:(?:a|con|de|desde|en|entre|hasta|para|por|según|sobre)\s+)*"
    r"(?:qu[eéi]|cu[aáeé]|d[oó]nde|ad[oó]nde|c[oó]mo))(?![^?]* o )\w[^?]*\?$"
    r"|(?!w)\w+(?:t|en)\s(?:\w+\s)?(?:der|die|das|den|ein|eine|er|sie|es|man|zu)\s"
    r"(?![^?]* oder )[^?]*\?$"
    r"|(?:è|é)\s[^?]*\?$|est-ce que\b(?![^?]*\b(?:qui|que|où|quand|combien)\b))"
    r"|^(?!.*\b(?:quel|quelle|quels|quelles|qui|que|où|quand|comment|combien|pourquoi)\b)"
    r"[^?]*\w-(?:t-)?(?:il|elle|ils|elles|on)\b[^?]*\?$"
    r"|^(?:czy|чи|هل|האם|क्या|apakah|är|er|finns|kan|onko|ovatko|je|jsou|este)\s[^?]*\?$"
    r"|^[^?]*\b(?:m[ıiuü](?:dır|dir|dur|dür)?)\s*\?$"
    r"|^(?!.*(?:몇|무엇|누구|어디|언제|어느|왜|어떻게)).*(?:니까|나요|인가요)[?？]$"
    r"|\bли\b[^?]*\?$|吗[？?]$|^(?!.*[何誰]|.*(?:どこ|いつ|いくつ|どの|どれ|どちら|なに|なん))"
    r".*(?:です|ます)か[。？?]*$",
    re.I,
)
_ORDERED = re.compile(
    r"\b(in order|(?:right|correct|proper|same) order"
    r"|in (?:the|an|what|which|their|its|correct) order"
    r"|(alphabetical|chronological|ascending|descending|increasing|decreasing|numerical"
    r"|reverse) order|order of|in the order|ordered|sort(ed)?|rank(ed)?|sequence"
    r"|from (?:the )?(?!\d)\w+(?: \w+){0,4} (?:to (?:the )?\w+|(?:in|out|up|down|on)wards?)"
    r"|from the (?:out|in)side (?:in|out)"
    r"|alphabetically|chronologically|(?:starting|beginning) (?:at|with|from)|coordinates?"
    r"|ordered (pair|triple)|the point|vector)\b",
    re.I,
)
_OPEN = re.compile(
    r"\bwhy\b|\bhow (?:do|does|did|can|could|would|should|is|are|was|were|come)\b"
    r"(?!.*\b(?:say|spell(?:ed|t)?|called?|pronounced?|written|write|translated?)\b)"
    r"|\bwhat (?:happens|happened|(?:would|will) happen|causes?|caused|makes?|made)\b"
    r"|\bwhat (?:do|does|did|should|had|has|have)\b.*\b(?:do|mean|decided?|done|teach)\b"
    r"|\bdifferences?\b(?=.* between\b)|\bdiffer\b|\bexplain\b|\bdescribe\b"
    r"|\bthe (?:moral|main idea|message|lesson|purpose|reason|point)\b"
    r"|\bwho\b.*\b(?:whom|whose|what|which)\b"
    r"|^\W*what (?:is|are) (?!the |his |her |its |their |your )(?:an? )?[a-z]+(?: [a-z]+)?\s*\?",
    re.I | re.S,
)
_WHO = re.compile(r"\bwho(?:m|se)?\b", re.I)
_TIME_QUESTION = re.compile(
    r"\b(?:when|what time|at what|date|day|(?:what|which|in) (?:year|month)|decade|century|clock"
    r"|(?:24|12)-hour"
    r"|spät|uhrzeit|uhr|hoe laat|quelle heure|qué hora|que ore|che or[ae]|klockan|klokken|wann"
    r"|welche[mns]? (?:tag|jahr|datum|monat)|quand|quel(?:le)? (?:jour|date|année|mois)|cuándo"
    r"|quando|fecha|qué (?:día|año|mes)|que (?:dia|ano|mês|giorno|anno)|когда)\b"
    r"|何[年月日]|いつ|什么时候|哪一?[年天]",
    re.I,
)
_COUNT_QUESTION = re.compile(r"\bhow many\b|\bnumber of\b", re.I)
_POSSESSIVE = re.compile(r"['’]s?$")
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_MAX_QUESTION = 8000  # characters that are looked at; a longer prompt asks at its end


@lru_cache(maxsize=256)
def options(question: str) -> dict[str, str]:
    """The labelled options that the question offers, label to text; empty when it offers none.

    Labels must run on from A, a or 1 without a gap, and at least two are needed.
    """
    question = question[-_MAX_QUESTION:]
    marks = list(_LABEL.finditer(question))
    best: list[re.Match[str]] = []
    for start, first in enumerate(marks):
        if first[2] not in "Aa1" and not first[1]:
            continue
        if first[2] == "1" and first[3] != ")" and not _ASKED.search(question, 0, first.start()):
            continue
        run = [first]
        for mark in marks[start + 1 :]:
            if mark[2] == chr(ord(run[-1][2]) + 1) and (mark[1], mark[3]) == (first[1], first[3]):
                run.append(mark)
        if len(run) > len(best):
            best = run
    if len(best) < 2:
        return _roman_options(question) or _bare_options(question)
    found: dict[str, str] = {}
    for i, mark in enumerate(best):
        end = best[i + 1].start() if i + 1 < len(best) else len(question)
        text = question[mark.end() : end].split("\n")[0]
        if i + 1 == len(best):
            text = re.split(r"(?<=[.?!])\s", text)[0]
        found[mark[2].upper()] = re.sub(r"[\s,;.?!]*(\b(or|and)\b)?[\s,;.?!]*$", "", text).strip()
    return found


def _roman_options(question: str) -> dict[str, str]:
    """ "... noble gas? (i) chlorine (ii) neon (iii) sodium" """
    marks = list(_ROMAN_LABEL.finditer(question))
    if len(marks) < 2 or tuple(mark[1] for mark in marks) != _ROMAN[: len(marks)]:
        return {}
    ends = [mark.start() for mark in marks[1:]] + [len(question)]
    texts = (question[x.end() : end].strip(" ,;.?!\n") for x, end in zip(marks, ends, strict=True))
    return dict(zip(_ROMAN, texts, strict=False))


@lru_cache(maxsize=256)
def wants_several_options(question: str) -> bool:
    """May more than one of the options be right?"""
    return bool(_SEVERAL.search(question))


def _bare_options(question: str) -> dict[str, str]:
    """ "... lie? A Asia B Africa C Europe": letters without a sign behind them, three or more."""
    _, _, offered = question.rpartition("? ")
    labels = list(_BARE_LABEL.finditer(offered))
    letters = [label[1] for label in labels]
    if len(labels) < 3 or labels[0].start() or letters != list("ABCDEFGHIJ")[: len(labels)]:
        return {}
    ends = [label.start() for label in labels[1:]] + [len(offered)]
    texts = (offered[x.end() : end].strip(" ,;.") for x, end in zip(labels, ends, strict=True))
    return dict(zip(letters, texts, strict=True))


@lru_cache(maxsize=256)
def asked_sentence(question: str) -> str:
    """The question at the end of a text; "Isn't it ...?" as "Is it ...?", which asks the same."""
    asked = [s for s in split_sentences(question[-_MAX_QUESTION:]) if s.endswith("?")]
    return _NEGATIVE_AUXILIARY.sub(
        lambda found: found[1] + _FULL_AUXILIARY.get(found[2].lower(), found[2]),
        asked[-1] if asked else question,
    )


@lru_cache(maxsize=256)
def is_yes_no(question: str) -> bool:
    """Does the question want yes or no (or true or false)?"""
    if options(question):
        return False
    if _YES_NO_HINT.search(question):
        return True
    if _GERMAN_WAS.search(question):
        return False
    asked_words = _WORD.findall(_ADJUNCT.sub("", asked_sentence(question))[:400].lower())
    if _FOREIGN_YES_NO.search(question[-_MAX_QUESTION:].strip()):
        return True
    if not asked_words or not _AUXILIARY.match(asked_words[0]) or "or" in asked_words:
        return False
    return not _REQUEST.match(" ".join(asked_words[:5]))


@lru_cache(maxsize=256)
def is_open(question: str) -> bool:
    """Does the question want a statement (a cause, a way, a difference) rather than a value?"""
    return bool(_OPEN.search(question[-_MAX_QUESTION:])) and not (
        options(question) or is_yes_no(question)
    )


@lru_cache(maxsize=256)
def asks_when(question: str) -> bool:
    return bool(_TIME_QUESTION.search(question[-_MAX_QUESTION:]))


def asks_how_many(question: str) -> bool:
    return bool(_COUNT_QUESTION.search(question[-_MAX_QUESTION:]))


def wants_statement(question: str) -> bool:
    """Open, and not about who does what to whom: there a name of two words decides."""
    return is_open(question) and not _WHO.search(question[-_MAX_QUESTION:])


@lru_cache(maxsize=256)
def wants_order(question: str) -> bool:
    """Does the order of the items of a list matter?"""
    return bool(_ORDERED.search(question[-_MAX_QUESTION:]))


@lru_cache(maxsize=256)
def question_words(question: str) -> frozenset[str]:
    """The words of the question, folded as `fold_word` folds those of an answer."""
    return frozenset(fold_word(w) for w in _WORD.findall(question[-_MAX_QUESTION:]))


@lru_cache(maxsize=16384)
def fold_word(word: str) -> str:
    """Case, accents, possessive and a plural s do not make another word."""
    word = without_accents(word.casefold())
    word = _POSSESSIVE.sub("", word)
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word


def words(text: str) -> list[str]:
    return _WORD.findall(text)
