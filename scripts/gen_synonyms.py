"""Write empo_serve/semantics/wordnet/ from the database files of WordNet 3.0.

    python scripts/gen_synonyms.py DICT

DICT holds index.noun and data.noun as WordNet 3.0 comes (https://wordnet.princeton.edu), or
data.noun1 and data.noun2, as some packages carry it.

nouns.txt.gz: one line is one meaning: its nouns, lower case, without accents, between "|"; "!"
before those of which it is the commonest meaning. What is left out: meanings with a single noun,
words of one or two letters, and words with digits.

kinds.txt.gz: one line is a commonest meaning of common nouns of one or two words, or one above it:
the lines of its kinds (what it "is a"), counted from 0 and divided by ",", then its nouns.
"""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

from empo_serve.semantics.normalize import without_accents

TARGET = Path(__file__).parent.parent / "empo_serve" / "semantics" / "wordnet"
_MEANING = re.compile(r"(\d{8}) \d\d n ([0-9a-f]{2}) (.*)")
_NOUN = re.compile(r"(\S+) n .*? (\d{8})\b")  # the meanings come commonest first
_IS_A = re.compile(r" @ (\d{8}) n ")


def main(folder: Path) -> None:
    index = (folder / "index.noun").read_text(encoding="latin-1")
    commonest = dict(found.groups() for line in index.splitlines() if (found := _NOUN.match(line)))
    meanings: set[str] = set()
    parents: dict[str, list[str]] = {}
    common: dict[str, list[str]] = {}  # the nouns of a meaning that are no names
    for file in sorted(folder.glob("data.noun*")):
        for line in file.read_text(encoding="latin-1").splitlines():
            if found := _MEANING.match(line):
                offset, count = found[1], int(found[2], 16)
                written = found[3].split(" ")[: 2 * count : 2]
                marked = {w: _marked(w, commonest, offset) for w in written}
                nouns = {noun for noun in marked.values() if _is_long(noun)}
                if len(nouns) > 1:
                    meanings.add("|".join(sorted(nouns)))
                parents[offset] = _IS_A.findall(line.partition(" | ")[0])
                common[offset] = [
                    noun
                    for w, noun in marked.items()
                    if w == w.casefold() and w.count("_") < 2 and _is_long(noun)
                ]
    _write("nouns.txt.gz", sorted(meanings))
    _write("kinds.txt.gz", _kinds(parents, common))


def _kinds(parents: dict[str, list[str]], common: dict[str, list[str]]) -> list[str]:
    kept = {offset for offset, nouns in common.items() if any(n[0] == "!" for n in nouns)}
    waiting = list(kept)
    while waiting:
        above = [p for p in parents[waiting.pop()] if p not in kept]
        kept |= set(above)
        waiting += above
    order = {offset: number for number, offset in enumerate(sorted(kept))}
    return [
        "|".join([",".join(str(order[p]) for p in parents[offset]), *_unmarked(common[offset])])
        for offset in order
    ]


def _unmarked(nouns: list[str]) -> list[str]:
    return [noun.removeprefix("!") for noun in nouns]


def _marked(word: str, commonest: dict[str, str], offset: str) -> str:
    return ("!" if commonest[word.casefold()] == offset else "") + plain(word.casefold())


def _is_long(noun: str) -> bool:
    return len(noun) > 2 and not re.search(r"\d", noun)


def _write(name: str, lines: list[str]) -> None:
    TARGET.mkdir(exist_ok=True)
    (TARGET / name).write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))
    print(f"{len(lines)} meanings in {TARGET / name}")


def plain(word: str) -> str:
    return without_accents(word.replace("_", " "))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python scripts/gen_synonyms.py DICT")
    main(Path(sys.argv[1]))
