"""English nouns that name one thing: "Madame Curie" and "Marie Curie", "ibuprofen" and "Advil".

From WordNet 3.0 (Miller 1995; its licence is beside the table; `scripts/gen_synonyms.py` writes
it). Common words have many meanings, so two nouns count as one only by a meaning that is the
commonest of at least one of them: "actor" and "worker" share a rare one.
"""

from __future__ import annotations

import gzip
from functools import lru_cache
from importlib.resources import files


def are_synonyms(a: str, b: str) -> bool:
    """Of two nouns or names, lower case and without accents; a plural s does not count."""
    one, other = _find(a), _find(b)
    return any(one[meaning] or other[meaning] for meaning in one.keys() & other.keys())


def load_synonyms() -> None:
    """Read the table now, not with the first answer: it takes about a tenth of a second."""
    _table()


def _find(noun: str) -> dict[int, bool]:
    table = _table()
    spellings = (noun, noun.removesuffix("s"), noun.replace(" ", ""))
    return next((table[x] for x in spellings if x in table), {})


@lru_cache(maxsize=1)
def _table() -> dict[str, dict[int, bool]]:
    """Noun -> its meanings, by number: is this one its commonest?"""
    packed = files("empo_serve.semantics") / "wordnet" / "nouns.txt.gz"
    table: dict[str, dict[int, bool]] = {}
    for number, line in enumerate(gzip.decompress(packed.read_bytes()).decode().splitlines()):
        for noun in line.split("|"):
            table.setdefault(noun.removeprefix("!"), {})[number] = noun[0] == "!"
    return table
