"""Number words of eighteen languages (0 to 2100), and of Chinese and Japanese (to 99 999)."""

from __future__ import annotations

import gzip
import re
from functools import cache, lru_cache
from importlib.resources import files

from empo_serve.semantics.normalize import without_accents

# Other genders and spellings of words in the table, by language.
_MORE: dict[str, dict[str, int]] = {
    "de": {"eine": 1, "einen": 1, "ein": 1, "zwo": 2, "hundert": 100, "tausend": 1000},
    "fr": {"une": 1, "quatre vingt": 80, "mille": 1000},
    "es": {"una": 1, "un": 1, "ciento": 100},
    "it": {"una": 1, "un": 1},
    "pt": {"uma": 1, "duas": 2, "dezasseis": 16, "dezassete": 17, "dezanove": 19, "quatorze": 14},
    "ru": {"одна": 1, "одно": 1, "две": 2},
    "uk": {"одна": 1, "одне": 1, "дві": 2},
    "pl": {"jedna": 1, "jedno": 1, "dwie": 2},
    "cs": {"jeden": 1, "jedno": 1, "dve": 2},
    "ro": {"o": 1, "un": 1, "o suta": 100, "o mie": 1000},
    "sv": {"ett": 1},
    "ko": {
        "하나": 1,
        "한": 1,
        "둘": 2,
        "두": 2,
        "셋": 3,
        "세": 3,
        "넷": 4,
        "네": 4,
        "다섯": 5,
        "여섯": 6,
        "일곱": 7,
        "여덟": 8,
        "아홉": 9,
        "열": 10,
    },
    "da": {"en": 1},
}
_ARTICLES = frozenset(
    "eine einen ein une una un uma um uno een en et ett o egy".split()  # noqa: SIM905
)
_ASKED = {
    "de": r"\b(?:wie viele?|welche[rsmn]?|was|wer|wo|wann|wieviel|ist|auf deutsch|german)\b",
    "nl": r"\b(?:hoeveel|welke?|wat|wie|waar|dutch)\b",
    "fr": r"\b(?:combien|quel(?:le)?s?|qui|que|quand|font|est-ce|french)\b|qu['’]",
    "es": r"¿|\b(?:cuant[oa]s?|spanish)\b",
    "it": r"\b(?:quant[oaei]|qual[ei]?|che|chi|dove|quando|italian)\b",
    "ru": r"[а-я]",
    "ko": r"몇|얼마",
    "uk": r"[іїєґ]|\bскільки\b",
    "pl": r"\b(?:ile|ilu|jak[aie]?|kto|gdzie|kiedy|ktor\w*|polish)\b",
    "cs": r"\b(?:kolik|jak[yae]|kter\w*|kdo|kde|kdy|czech)\b",
    "sv": r"\b(?:hur|vilke[nt]|vad|vem|swedish)\b",
    "da": r"\b(?:hvor|hvilke[tn]?|hvad|hvem|danish)\b",
    "no": r"\b(?:hvor|hvilke[tn]?|hva|hvem|norwegian)\b",
    "fi": r"\b(?:kuinka|montako|monta|mika|mikae|milloin|finnish)\b",
    "tr": r"\b(?:kac|hangi|nedir|turkish)\b",
    "hu": r"\b(?:hany|mennyi|melyik|mikor|hungarian)\b",
    "ro": r"\b(?:cate|cati|care este|cand|romanian)\b",
    "id": r"\b(?:berapa|indonesian)\b",
    "vi": r"\bbao nhieu\b",
    "pt": r"\b(?:quant[oa]s|quanto|qual|quais|quem|onde|portuguese)\b",
}
_CJK_NUMERAL = re.compile(r"[零〇一二两三四五六七八九十百千万]+")
_CJK_COUNT_QUESTION = re.compile(r"[几幾何]|多少|いくつ|いくら")
_CJK_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CJK_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_WORD = re.compile(r"[^\W\d]+")
_MAX_WORDS = 8


def foreign_number(question: str, text: str) -> int | None:
    """The one number in words of the question's language in `text`; None without or with
    several."""
    if _CJK_COUNT_QUESTION.search(question):
        return _cjk_number(question, text)
    languages = _languages(question)
    if not languages or len(text) > 300:
        return None
    tokens = _tokens(text)
    asked = set(_tokens(question))
    for language in languages:
        said = _said(number_words(language), tokens)
        # An article is a number only where it stands alone.
        found = [
            value
            for words, value in said
            if not asked.issuperset(words) and (words[0] not in _ARTICLES or len(tokens) == 1)
        ]
        if found:
            return found[0] if len(found) == 1 else None
    return None


def _tokens(text: str) -> list[str]:
    return _WORD.findall(_fold(text))


def _said(table: dict[str, int], tokens: list[str]) -> list[tuple[list[str], int]]:
    """The longest number words from left to right: "treinta y uno" is no 30."""
    found, start = [], 0
    while start < len(tokens):
        for end in range(min(start + _MAX_WORDS, len(tokens)), start, -1):
            run = tokens[start:end]
            value = table.get(" ".join(run), table.get("".join(run)))
            if value is not None:
                found.append((run, value))
                start = end
                break
        else:
            start += 1
    return found


def _cjk_number(question: str, text: str) -> int | None:
    """The one number of a Chinese or Japanese answer that its question does not have."""
    in_question = set(_CJK_NUMERAL.findall(question)) | set(re.findall(r"\d+", question))
    found = [n for n in re.findall(rf"\d+|{_CJK_NUMERAL.pattern}", text) if n not in in_question]
    if len(found) != 1 or re.search(r"[.,．，]\d|[\^/×%％]", text):
        return None
    if found[0].isdecimal():
        return int(found[0])
    total, current = 0, 0
    for char in found[0]:
        if char in _CJK_DIGITS:
            current = 10 * current + _CJK_DIGITS[char]  # also "二〇二五"
        elif char == "万":
            total, current = (total + current) * 10_000, 0
        else:
            total, current = total + (current or 1) * _CJK_SCALES[char], 0
    return total + current


@lru_cache(maxsize=256)
def _languages(question: str) -> tuple[str, ...]:
    folded = _fold(question)
    return tuple(language for language, mark in _ASKED.items() if re.search(mark, folded))


@cache
def number_words(language: str) -> dict[str, int]:
    """Number words, in words that a space divides, and the number."""
    said = _lines().get(language, [])
    table = {words: number for number, words in reversed(list(enumerate(said)))}
    joined = {words.replace(" ", ""): number for words, number in table.items()}
    return joined | table | _MORE.get(language, {})


@lru_cache(maxsize=1)
def _lines() -> dict[str, list[str]]:
    packed = files("empo_serve.semantics") / "languages" / "numbers.txt.gz"
    lines = gzip.decompress(packed.read_bytes()).decode().splitlines()
    return {language: said for language, *said in (line.split("|") for line in lines)}


def _fold(text: str) -> str:
    return without_accents(text.casefold().replace("ß", "ss"))
