"""The answer in free text without any marker: which sentence, and which part of it."""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.dates import parse_time
from empo_serve.semantics.lists import list_items
from empo_serve.semantics.numbers import parse_quantity
from empo_serve.semantics.questions import (
    fold_word,
    is_open,
    is_yes_no,
    options,
    question_words,
    words,
)
from empo_serve.semantics.sentences import (
    after_hedge,
    is_chatter,
    is_refusal,
    is_unfinished,
    split_sentences,
)
from empo_serve.semantics.yes_no import polarity

_EMPHASIS = re.compile(r"\*\*([^*\n]{1,80}?)\*\*|`([^`\n]{1,80})`")
_LEAD_IN = re.compile(
    r"^(?:so|therefore|thus|hence|then|and|well|in conclusion|in summary|overall|finally"
    r"|consequently|as a result|this (?:means|implies)(?: that)?|that means|we (?:get|have|find"
    r"|obtain)(?: that)?)\b,?\s+",
    re.I,
)
_COPULA = re.compile(
    r"\s(?:is|are|was|were|equals|=|would be|will be|stands for|ist|sind|war|est|sont|es"
    r"|son|è|é)\s+"
    r"|(?<=\w)['’]s\s+(?=\w+$)|是",
    re.I,
)
_EMPTY_SUBJECT = frozenset(
    words(
        "it this that there they he she these those being answer result solution value total final"
        " correct right number sum name the a an of in for to and its one which word who el la"
        " le les der die das und lo un una une ein eine einen den dem des du de et"
    )
)
# They turn the meaning around, wherever they come from.
_NEVER_ECHO = frozenset(words("not no never without neither nor minus negative"))
_PARTICIPLE = re.compile(
    r"^(?:also |often |commonly |originally |usually )?"
    r"(?:(?:called|named|known as|equal to|spelled|given by|considered|located in)\s+"
    r"|(?:\w+\s+by|(\w+)\s+(?:in|on|at|from|to|as|for))\s+)",
    re.I,
)
# "Counting from March, the third one is May"
_ADJUNCT = re.compile(
    r"(?P<adjunct>(?:(?P<frame>\w+ing|among|of)|in|on|at|by|with|from|for|as|if|after|before)\b[^,.]*),\s+"
    r"(?=(?:the|it|this|that|there|he|she|they|you|we|one|i)\b)",
    re.I,
)
# "The fox, who had seen it, is the one that ..."
_RELATIVE = re.compile(r",\s+(?:who|which|whose|where)\b[^,]*,(?=\s+(?:is|are|was|were)\b)", re.I)
_APPOSITION = re.compile(
    r",\s+(?:which|who|whose|where|when|because|since|as|so|with|a|an|the|located|known|based|situated"
    r"|though|although|but|not|after|before|while|also (?:known|called)|capital|one of|at"
    r"|due|thanks|for|and (?:its?|is|has))\b"
    r"|\s+(?:because|since|although|though|due to)\s|;\s|(?<=\w{3})\s+[–—-]\s+(?=[A-Za-z]{2})",
    re.I,
)
# "Canberra, home of the parliament", but not "Paris, Lyon and Nice"
_DESCRIPTION = re.compile(
    r"(?P<name>[A-Z]\w+(?: [A-Z]\w+){0,3}), (?!.*(?:,|\b(?:and|or|y|et"
    r"|und)\b))[a-z]\w*(?: \S+){2,}$"
)
# A subject that only points back at the question: "the mixture", "das Drama", "l'auteur"
_DEFINITE = re.compile(
    r"(?:[Tt]h(?:e|is|at)|[Mm]y)(?: [a-z]+){1,2}|(?:[Ll]['’]|(?:[Ll][aeo]|[Ee]l|[Dd](?:er"
    r"|ie|as)) )\w+"
)
_PERIOD_QUESTION = re.compile(r"\b(?:which|what) (century|decade|millennium)\b", re.I)
_NUMBER_QUESTION = re.compile(
    r"\bhow (?:many|much|far|long|old|tall|high|fast|big|heavy|wide|deep)\b|\bcalculate\b"
    r"|\bcompute\b|\bwhat is \W*\d"
    r"|\b(?:price|sum|product|total|average|number of|percent|cost|profit|remaining|difference)\b",
    re.I,
)
_MAX_STATEMENT = 4  # sentences
_MIN_STATEMENT = 4  # words
_WHO = re.compile(
    r"\b(?i:who|whom|which of|which one|wer|qui|qui[eé]n)\b"
    r"(?!['’]?s?(?: is| was| are| were)? [A-Z])"
)
_POINTED = re.compile(
    r"(?:the|that|those) (?:one|ones|person|people|\w+ (?:who|that|which))\b", re.I
)
_MAX_ECHO = 14  # words
_EQUATION = re.compile(r"(?<![<>=!:])=(?![=>])")
_ASSIGNMENT = re.compile(r"\b([A-Za-z])\s*=\s*")


def answer_in_prose(question: str, text: str) -> str:
    """The part of `text` that answers, or "" when every sentence refuses, chats or breaks off."""
    if is_yes_no(question):
        said = [polarity(question, sentence) for sentence in split_sentences(text)]
        if any(said_yes is not None for said_yes in said):
            return "Yes" if next(s for s in said if s is not None) else "No"
    emphasis: list[str] = [a or b for a, b in _EMPHASIS.findall(text)]
    sentences = [s for s in split_sentences(text) if not is_chatter(s) or after_hedge(s) != s]
    kept: list[str] = []
    for sentence in sentences:
        answering = after_hedge(sentence)
        if not is_refusal(answering) and not (is_chatter(answering) and len(answering) > 3):
            kept.append(answering)
    if not kept:
        return ""
    emphasis = [e for e in emphasis if not e.rstrip().endswith((":", "."))]
    if len(set(emphasis)) == 1 and not options(question):
        return emphasis[0]
    if items := _items(text):
        return "\n".join(items)
    is_cut = is_unfinished(text) or (
        len(kept) > 1 and not re.search(r"[.!?。)\"'*`$]$", text.rstrip())
    )
    wants_number = bool(_NUMBER_QUESTION.search(question))
    if is_cut:
        # A cut-off calculation has no result; after a complete first sentence only chatter is lost.
        first = _part(question, kept[0])
        is_first_cut = len(kept) == 1 and is_unfinished(text)
        if is_unfinished(first) or (first == kept[0] and (wants_number or is_first_cut)):
            return ""
        return "" if wants_number and len(kept) > 1 else first
    if wants_number and len(kept) == 1 and _is_begun_sum(text):
        return ""
    if options(question):
        return " ".join(kept)
    if is_open(question) and len(words(text)) >= _MIN_STATEMENT:
        return " ".join(kept) if len(kept) < _MAX_STATEMENT else kept[0]
    if is_yes_no(question):
        return kept[0]
    if len(kept) > 1 and (wants_number or _is_conclusion(kept[-1])):
        return _part(question, kept[-1])
    return _part(question, kept[0])


def _part(question: str, sentence: str) -> str:
    """The answering part of one sentence."""
    text = re.sub(r"(?<!\b[A-Z])[.!]+$", "", sentence.strip())
    text = re.sub(r"\s*\((?:sorry|i think|i believe|probably)[^)]*\)$", "", text, flags=re.I)
    conclusion = re.split(
        r"[,;]\s+(?:so|therefore|thus|hence|giving|which gives)\b,?\s+", text, flags=re.I
    )
    text = conclusion[-1]
    while (lead := _LEAD_IN.match(text)) and text[lead.end() :]:
        text = text[lead.end() :]
    text = _RELATIVE.sub("", after_hedge(text))
    adjunct = _ADJUNCT.match(text)
    asked = _asked_stems(question)
    if adjunct and (adjunct["frame"] or not _new_words(adjunct["adjunct"], asked)):
        text = text[adjunct.end() :]
    if period := _PERIOD_QUESTION.search(question):
        named = re.findall(rf"\S+ {period[1]}", text, re.I)
        if len(named) == 1:
            return str(named[0])
    picks_name = bool(_WHO.search(question))
    for copula in _COPULA.finditer(f" {text}", 1):
        left, right = f" {text}"[: copula.start()].strip(), f" {text}"[copula.end() :].strip()
        if not right:
            continue
        if picks_name and _is_asked_name(left, asked):
            return left  # "Ravi was in front": one of those that the question names
        if _POINTED.match(right) and not _new_words(right, asked):
            return left  # "The mayor is the one who was elected"
        if _is_echo(left, asked):
            return _value(_trim(right, asked))
        if not _new_words(_trim(right, asked), asked):
            return _value(_trim(left, asked))
    if len(words(text)) > _MAX_ECHO:
        text = _trim(text, asked)
    if len(words(text)) <= _MAX_ECHO and not {"when", "year"} & asked:
        text = re.sub(r"(?<=\w) in \d{4}$", "", text)
    if len(words(text)) <= _MAX_ECHO and not _is_formula(text) and len(list_items(text)) < 3:
        text = _without_echo(text, asked)
    starting = re.match(r"(?:es|ist|est|is|im|c['’]est)\s+(.+)$", text, re.I)
    if starting:
        return _trim(starting[1], asked)
    return _value(_trim(text, asked)) if len(words(text)) > 3 else _value(text)


def _is_asked_name(left: str, asked: frozenset[str]) -> bool:
    return all(w[:1].isupper() and w.lower() not in _EMPTY_SUBJECT for w in words(left)) and not (
        _new_words(left, asked)
    )


def _is_echo(left: str, asked: frozenset[str]) -> bool:
    """Is the subject the question's own? One more common noun ("the capital city of") may be."""
    new = _new_words(left, asked)
    known = len([w for w in words(left) if _stem(w) in asked and w.lower() not in _EMPTY_SUBJECT])
    if not new or _DEFINITE.fullmatch(left):
        return True
    return len(new) == 1 and known >= 2 and new[0].islower()


def _without_echo(text: str, asked: frozenset[str]) -> str:
    """Of "William Shakespeare wrote Hamlet" only the first words, as Hamlet was asked for."""
    tokens = text.split()
    known = [not _new_words(token, asked) for token in tokens]
    if len(tokens) == 2 and tokens[0][:1].isdigit():
        return text  # a quantity with the unit that was asked for
    if parse_quantity(text) is not None or parse_time(text) is not None:
        return text  # "two thirds", of a question about thirds
    if known and known[-1] and not known[0]:
        while len(tokens) > 1 and known[len(tokens) - 1]:
            tokens.pop()
    elif known and known[0] and not known[-1]:
        start = known.index(False)
        verb_is_known = any(_stem(w) in asked and w[:1].islower() for w in tokens[:start])
        tokens = tokens[start:] if verb_is_known else tokens
    return " ".join(tokens).rstrip(",;:")


def _new_words(text: str, asked: frozenset[str]) -> list[str]:
    """Words of `text` that the question does not have and that carry meaning."""
    if re.search(r"[\u3040-\u9fff]", text):
        return [] if any(text.strip("的") in q or q in text for q in asked) else [text]
    return [
        w
        for w in words(text)
        if w.lower() in _NEVER_ECHO or (_stem(w) not in asked and w.lower() not in _EMPTY_SUBJECT)
    ]


@lru_cache(maxsize=256)
def _asked_stems(question: str) -> frozenset[str]:
    asked = question_words(question)
    return asked | {_stem(w) for w in asked}


@lru_cache(maxsize=16384)
def _stem(word: str) -> str:
    folded = fold_word(word)
    return folded[:-2] if len(folded) > 4 and folded.endswith("ed") else folded


def _trim(text: str, asked: frozenset[str]) -> str:
    if (participle := _PARTICIPLE.match(text)) and (
        not participle[1]
        or fold_word(participle[1]) in asked
        or participle[1].endswith(("ed", "en"))
    ):
        text = text[participle.end() :]
    if _is_formula(text):
        # A comma or a dash there belongs to the formula.
        return re.split(r"(?<=\$),?\s+(?:where|which|since|because|as|with|for)\b", text)[0].strip()
    if len(list_items(text)) > 2:
        return text.strip()
    cut = _APPOSITION.search(text) or _DESCRIPTION.match(text)
    if cut:
        text = text[: cut.end("name") if cut.re is _DESCRIPTION else cut.start()] or text
    if not asked & {"when", "year", "date"}:
        text = re.sub(r"(?<=\w)\s+in \d{4}$", "", text)
    return text.strip()


def _is_formula(text: str) -> bool:
    return "\\" in text or "$" in text or "^" in text


def _value(text: str) -> str:
    """The right-hand side of an equation that gives a value."""
    sides = _EQUATION.split(text)
    if len(sides) < 2:
        return text
    if len(_ASSIGNMENT.findall(text)) > 1 and re.search(r"\b(?:and|or)\b|,", text):
        return _ASSIGNMENT.sub("", text)
    last = sides[-1].strip()
    if text.count("$") % 2 == 0 and last.count("$") % 2 == 1:
        last = last.replace("$", "", 1) if last.endswith("$") else "$" + last
    return last or text


def _items(text: str) -> list[str]:
    """The items when every line is one of a list."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    items = [re.sub(r"^\s*(?:[-*•]|\d+[.)])\s+", "", line) for line in lines]
    is_list = len(lines) > 1 and all(x != y for x, y in zip(items, lines, strict=True))
    return items if is_list else []


def _is_conclusion(sentence: str) -> bool:
    return bool(re.match(r"(?:so|therefore|thus|hence|in conclusion|finally)\b", sentence, re.I))


def _is_begun_sum(text: str) -> bool:
    """A sum that a long sentence has begun with, and no end: "he needs 200 / 10 = 20"."""
    is_open = not text.rstrip().endswith((".", "!", "?"))
    num_words = len(re.findall(r"(?<!\\)\b[A-Za-z]{2,}", text))
    return is_open and num_words > 5 and bool(_EQUATION.search(text))
