"""The words of an answer that only repeat the question."""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.dates import parse_time
from empo_serve.semantics.numbers import parse_quantity
from empo_serve.semantics.questions import fold_word, question_words, words
from empo_serve.semantics.units import UNITS, singular
from empo_serve.semantics.verbs import PRESENT

EMPTY_SUBJECT = frozenset(
    words(
        "it this that there they he she these those being answer result solution value total final"
        " correct right number sum name the a an of in for to and its one which word who el la"
        " le les der die das und lo un una une ein eine einen den dem des du de et"
    )
)
# They turn the meaning around, wherever they come from.
_NEVER_ECHO = frozenset(words("not no none nobody never without neither nor minus negative"))
# A subject that only points back at the question: "the mixture", "das Drama", "l'auteur"
_DEFINITE = re.compile(
    r"(?:[Tt]h(?:e|is|at)|[Mm]y)(?: [a-z]+){1,2}|(?:[Ll]['’]|(?:[Ll][aeo]|[Ee]l|[Oo]s?|[Dd](?:er"
    r"|ie|as)) )\w+"
)
_AND = ("and", "or", "&", "und", "et", "y", "e")
_DEMONYM = re.compile(r"\w{2}(?:an|ans|ish|ese|ch|i|is|ic)$")
_ROOT = 4  # letters that a land and its adjective share


def is_picked(left: str, right: str, asked: frozenset[str]) -> bool:
    """Is `left` a name from the question, and does `right` bring no other one?"""
    is_name = all(w[:1].isupper() and w.lower() not in EMPTY_SUBJECT for w in words(left))
    if not is_name or new_words(left, asked):
        return False
    return not any(w[:1].isupper() for w in new_words(right, asked))


def is_echo(left: str, asked: frozenset[str]) -> bool:
    """Is the subject the question's own? One more common noun ("the capital city of") may be."""
    new = new_words(left, asked)
    if not new or points_back(left):
        return True
    known = len([w for w in words(left) if is_known(w, asked) and w.lower() not in EMPTY_SUBJECT])
    return len(new) == 1 and known >= 2 and new[0].islower()


def points_back(left: str) -> bool:
    return bool(_DEFINITE.fullmatch(left))


def is_known(word: str, asked: frozenset[str]) -> bool:
    """Does the question have the word, or that of which it is the adjective: Estonia, Estonian?"""
    if _stem(word) in asked:
        return True
    if not word[:1].isupper() or not _DEMONYM.search(word):
        return False
    return any(q[:_ROOT] == _stem(word)[:_ROOT] for q in asked if len(q) >= _ROOT)


def without_echo(text: str, asked: frozenset[str]) -> str:
    """Of "William Shakespeare wrote Hamlet" only the first words, as Hamlet was asked for."""
    tokens = text.split()
    known = [not new_words(token, asked) for token in tokens]
    if text[:1] in ("{", "["):
        return text  # a set
    if len(tokens) == 2 and tokens[0][:1].isdigit():
        return text  # a quantity with the unit that was asked for
    if parse_quantity(text) is not None or parse_time(text) is not None:
        return text  # "two thirds", of a question about thirds
    if known and known[-1] and not known[0]:
        while len(tokens) > 1 and known[len(tokens) - 1] and not _is_kept(tokens, known):
            tokens.pop()
        if all(token.lower() in _NEVER_ECHO for token in tokens):
            return text  # "No one came"
    elif known and known[0] and not known[-1]:
        start = known.index(False)
        if tokens[start - 1].lower() in ("a", "an") and parse_quantity(tokens[start]) is None:
            with_article = " ".join(tokens[start - 1 :])
            start -= parse_quantity(with_article) is not None  # "a quarter"
        verb_is_known = any(_stem(w) in asked and w[:1].islower() for w in tokens[:start])
        tokens = tokens[start:] if verb_is_known else tokens
    return " ".join(tokens).rstrip(",;:")


def _is_kept(tokens: list[str], known: list[bool]) -> bool:
    """Does the last word belong to a name that the question has in part, to a number, or to a list
    with something new ("Mondays and Tuesdays")?"""
    before, last = tokens[-2:]
    if len(tokens) > 2 and before.lower() in _AND and not known[len(tokens) - 3]:
        return True
    if [token.lower() for token in tokens[-4:-1]] == ["as", "well", "as"]:
        return True
    is_name = before[:1].isupper() and last[:1].isupper() and not before.endswith(",")
    is_unit = before[-1:].isdecimal() and singular(last.strip(".,").lower()) in UNITS
    is_counted = before.islower() and parse_quantity(before) is not None  # "has nine zeros"
    return is_name or is_unit or is_counted or last.strip(".,").isdecimal()


def new_words(text: str, asked: frozenset[str]) -> list[str]:
    """Words of `text` that the question does not have and that carry meaning."""
    if re.search(r"[\u3040-\u9fff]", text):
        return [] if any(text.strip("的") in q or q in text for q in asked) else [text]
    return [
        w
        for w in words(text)
        if w.lower() in _NEVER_ECHO or not (is_known(w, asked) or w.lower() in EMPTY_SUBJECT)
    ]


@lru_cache(maxsize=256)
def asked_stems(question: str) -> frozenset[str]:
    asked = question_words(question)
    return asked | {_stem(w) for w in asked}


@lru_cache(maxsize=16384)
def _stem(word: str) -> str:
    folded = fold_word(word)
    folded = PRESENT.get(folded, folded)
    return folded[:-2] if len(folded) > 4 and folded.endswith("ed") else folded
