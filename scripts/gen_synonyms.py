"""Write empo_serve/semantics/wordnet/nouns.txt.gz from the database files of WordNet 3.0.

    python scripts/gen_synonyms.py DICT

DICT holds index.noun and data.noun as WordNet 3.0 comes (https://wordnet.princeton.edu), or
data.noun1 and data.noun2, as some packages carry it. One line is one meaning: its nouns, lower
case, without accents, between "|"; "!" before those of which it is the commonest meaning. What is
left out: meanings with a single noun, words of one or two letters, and words with digits.
"""

from __future__ import annotations

import gzip
import re
import sys
from pathlib import Path

from empo_serve.semantics.normalize import without_accents

TARGET = Path(__file__).parent.parent / "empo_serve" / "semantics" / "wordnet" / "nouns.txt.gz"
_MEANING = re.compile(r"(\d{8}) \d\d n ([0-9a-f]{2}) (.*)")
_NOUN = re.compile(r"(\S+) n .*? (\d{8})\b")  # the meanings come commonest first


def main(folder: Path) -> None:
    index = (folder / "index.noun").read_text(encoding="latin-1")
    commonest = dict(found.groups() for line in index.splitlines() if (found := _NOUN.match(line)))
    meanings: set[str] = set()
    for file in sorted(folder.glob("data.noun*")):
        for line in file.read_text(encoding="latin-1").splitlines():
            if found := _MEANING.match(line):
                offset, count = found[1], int(found[2], 16)
                words = [word.casefold() for word in found[3].split(" ")[: 2 * count : 2]]
                nouns = {("!" if commonest[w] == offset else "") + plain(w) for w in words}
                nouns = {noun for noun in nouns if len(noun) > 2 and not re.search(r"\d", noun)}
                if len(nouns) > 1:
                    meanings.add("|".join(sorted(nouns)))
    text = "\n".join(sorted(meanings)) + "\n"
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{len(meanings)} meanings in {TARGET}")


def plain(word: str) -> str:
    return without_accents(word.replace("_", " "))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python scripts/gen_synonyms.py DICT")
    main(Path(sys.argv[1]))
