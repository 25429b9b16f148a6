"""What kind of thing something is: "Bats are mammals" says that they are no birds.

From WordNet 3.0 (Miller 1995), as `synonyms`. Somebody who is asked whether a thing is of a kind
and names another kind says no, unless one is a kind of the other: a berry is a fruit, and a metal
may be any of the elements.
"""

from __future__ import annotations

import gzip
import re
from functools import lru_cache
from importlib.resources import files

from empo_serve.semantics.questions import fold_word, question_words, words

_KIND = r"(?P<kind>an?\s+[a-z]+(?: [a-z]+)?|(?:[a-z]+ )?[a-z]{2,}s)"
_ASKED = re.compile(
    r"(?!.*\bthan\b)\s*(?i:is|are|was|were)\s+(?P<subject>(?:an? |the )?.+?)\s+"
    rf"{_KIND}(?:\s+(?:at|in|on|of|for|by|from|with|to|under|when|if)\b[^?]*)?\s*\?\s*$"
)
_SAID = re.compile(
    r"(?P<who>[^,;:]{1,60}?)(?:\s+(?:is|are|was|were)|['’](?:s|re))\s+"
    r"(?:actually |really |in fact |rather |instead |technically |simply |just )?" + _KIND
)
_MAX_QUESTION = 500
_POINTING = frozenset(words("it they this that these those he she"))


def says_kind(question: str, clause: str) -> bool | None:
    """Whether the clause, which has no negation, says that the thing is of the kind asked for.
    None where it says no kind, or one that leaves both open."""
    if len(question) > _MAX_QUESTION:
        return None  # the pattern looks on from each of its words
    asked, said = _ASKED.match(question), _SAID.fullmatch(clause.strip(" .!"))
    if asked is None or said is None:
        return None
    who = {fold_word(w) for w in words(said["who"])} - {"a", "an", "the"}
    if not who <= question_words(question) and not who <= _POINTING:
        return None
    kind, of = _noun(said["kind"]), _noun(asked["kind"])
    if not kind or not of or kind == of:
        return None
    if is_kind(kind, of):
        # "An electrical conductor": of the noun alone it is a kind.
        return None if _has_adjective(asked["kind"], of) else True
    return None if is_kind(of, kind) else False


def is_kind(noun: str, of: str) -> bool:
    """Is `noun`, in any of its meanings, a kind of `of`?"""
    meanings, nouns, parents = _table()
    waiting, seen = list(meanings.get(noun, ())), set[int]()
    while waiting:
        meaning = waiting.pop()
        if of in nouns[meaning]:
            return True
        if meaning not in seen:
            seen.add(meaning)
            waiting += parents[meaning]
    return False


def is_noun(word: str) -> bool:
    """Is it an English noun, lower case?"""
    meanings, _, _ = _table()
    return word in meanings or word.removesuffix("s") in meanings


def load_kinds() -> None:
    """Read the table now, not with the first answer: it takes about a quarter of a second."""
    _table()


def _noun(phrase: str) -> str:
    """The noun that the phrase is or ends with, as the table has it; "" for none."""
    meanings, _, _ = _table()
    tokens = [w for w in words(phrase.lower()) if w not in ("a", "an")]
    for start in range(len(tokens)):
        said = " ".join(tokens[start:])
        for noun in (said, said.removesuffix("s"), said.removesuffix("es"), said[:-3] + "y"):
            if noun in meanings and (noun == said or said.endswith("s")):
                return noun
    return ""


def _has_adjective(phrase: str, noun: str) -> bool:
    return len([w for w in words(phrase.lower()) if w not in ("a", "an")]) > len(noun.split())


@lru_cache(maxsize=1)
def _table() -> tuple[dict[str, list[int]], list[frozenset[str]], list[list[int]]]:
    """Noun -> its meanings; the nouns of each meaning; the meanings above it."""
    packed = files("empo_serve.semantics") / "wordnet" / "kinds.txt.gz"
    meanings: dict[str, list[int]] = {}
    nouns: list[frozenset[str]] = []
    parents: list[list[int]] = []
    for number, line in enumerate(gzip.decompress(packed.read_bytes()).decode().splitlines()):
        above, *said = line.split("|")
        parents.append([int(p) for p in above.split(",") if p])
        nouns.append(frozenset(said))
        for noun in said:
            meanings.setdefault(noun, []).append(number)
    return meanings, nouns, parents
