"""A short answer against a sentence that brings it: "oak" and "They are made of oak"."""

from __future__ import annotations

import re

from empo_serve.semantics.echo import asked_stems, is_known
from empo_serve.semantics.names import DISTINGUISHING
from empo_serve.semantics.normalize import has_signs
from empo_serve.semantics.numbers import parse_quantity
from empo_serve.semantics.opposites import stem
from empo_serve.semantics.questions import fold_word, question_words, words

# What these do to the word that follows is not in the word.
_RELATION = re.compile(
    r"\b(?:not|never|no|nor|neither|none|without|than|except|unlike|near|before|after|beyond|above"
    r"|below|under|over|behind|beside|between|until|opposite|against|instead|rather|but|or|and|if|half|part|most"
    r"|some|almost|nicht|kein\w*|ohne|außer|aber|oder|und|vor|nach|pas|sans|sauf|mais|ou|et|avant"
    r"|après|sin|salvo|pero|antes|después|y|o|non|senza|tranne|ma|prima|dopo|não|sem|exceto|mas"
    r"|depois|e)\b|n['’]t\b",
    re.I,
)
_AND = re.compile(r"\b(\w+) and (\w+)\b")
_FUNCTION_WORDS = frozenset(
    stem(w)
    for w in words(
        "the a an is are was were be been being it its this that these those there they them he she"
        " his her their of in on at to for by from with as so do does did has have had i you we one"
        " get gets got see come comes say says can may must"
        " het een van de meestal met op te dat die aan er wordt heet is zijn"
        " är en ett den det som på av till för kallas"
        " to jest są się w na z ze do od przez to"
        " adalah yang dengan ini itu dari oleh untuk orang"
        " это є це в на і и на у из від по"
        " called named known usually also just only simply mainly typically normally would will"
        " der die das den dem des ein eine einen einem er sie es ist sind war am im an in zu von"
        " vom mit heißt wird hat auf stammt kommt liegt"
        " ja le la les un une il elle est sont c en du de des au aux ce on y que qui se par el"
        " los las una lo es son está en del al por con uno il gli i di da"
        " nel della dello degli è sono si o os as um uma é são no na do dos das em"
    )
)
# What follows says more of it, and is no part of the answer.
_BESIDES = re.compile(
    r"\s*[:(]\s?|;\s|\s[—–-]\s|,\s+(?:and (?:yes|no|those|that|this|it|they|he|she)|which|who|where"
    r"|when|whose|named|known|called|because|since|as|though|a|an|the|in|at|from|à|en|in|aus|de)\b"
)
_MAKER = re.compile(r"\b(?:man|woman|person|people|team|company) behind\b")
_MIN_SENTENCE = 4  # words; in less, another word is part of the thing: "blue whale" is no "whale"
_MAX_SLOT = 3


def fills_slot(question: str, a: str, b: str) -> bool:
    """Does the longer text say the short one in a sentence that adds one word at most?

    Words of the question and function words do not count; a negation, a comparison or a number
    does.
    """
    short, long = sorted((a, b), key=lambda text: (len(words(text)), text))
    long = _MAKER.sub(" ", long)
    main = _BESIDES.split(long)[0]
    if main != long and set(_content(question, short)) <= set(_content(question, main)):
        long = main
    num_words = len(words(long))
    if len(words(short)) > _MAX_SLOT or num_words > 20:
        return False
    asked = {stem(w) for w in question_words(question)}
    if _RELATION.search(_AND.sub(lambda both: _without_asked(both, asked), f"{short} {long}")):
        return False
    slot, said = _content(question, short), _content(question, long)
    if not slot or (slot != said[-len(slot) :] and slot != said[: len(slot)]):
        return False
    extra = [w for w in said if w not in slot]
    if num_words < _MIN_SENTENCE and (extra or not _is_within(short, long)):
        return False
    return len(extra) <= 1 and not any(w in DISTINGUISHING or parse_quantity(w) for w in extra)


def _without_asked(both: re.Match[str], asked: set[str]) -> str:
    """Nothing for "blue and yellow" of a question about blue and yellow."""
    return " " if {stem(both[1]), stem(both[2])} <= asked else both[0]


def _is_within(short: str, long: str) -> bool:
    """Word by word, without regard to stems: "Henry VIII" is not "Henry VII"."""
    if has_signs(short) or has_signs(long):
        return False
    return {fold_word(w) for w in words(short)} <= {fold_word(w) for w in words(long)}


def _content(question: str, text: str) -> list[str]:
    asked = {stem(w) for w in question_words(question)}
    stems = asked_stems(question)
    return [
        stem(w)
        for w in words(text)
        if not (stem(w) in asked or stem(w) in _FUNCTION_WORDS or is_known(w, stems))
    ]
