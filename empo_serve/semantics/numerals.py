"""Number words from 0 to 1000 of German, Dutch, French, Spanish, Italian and Portuguese."""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.normalize import without_accents

# Words for 0, 1, ...: as far as they are irregular. Accents are left out.
_SMALL = {
    "de": "null eins zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn"
    " funfzehn sechzehn siebzehn achtzehn neunzehn",
    "nl": "nul een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien"
    " vijftien zestien zeventien achttien negentien",
    "fr": "zero un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze"
    " seize dix-sept dix-huit dix-neuf",
    "es": "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince"
    " dieciseis diecisiete dieciocho diecinueve",
    "it": "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici"
    " quattordici quindici sedici diciassette diciotto diciannove",
    "pt": "zero um dois tres quatro cinco seis sete oito nove dez onze doze treze catorze quinze"
    " dezesseis dezessete dezoito dezenove",
}
_TENS = {  # 20, 30, ...
    "de": "zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig hundert",
    "nl": "twintig dertig veertig vijftig zestig zeventig tachtig negentig honderd",
    "fr": "vingt trente quarante cinquante soixante soixante-dix quatre-vingts quatre-vingt-dix"
    " cent",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa cien",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta cento",
    "pt": "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa cem",
}
_MORE = {
    "eine": 1, "einen": 1, "ein": 1, "une": 1, "una": 1, "un": 1, "uma": 1, "duas": 2,
    "dezasseis": 16, "dezassete": 17, "dezanove": 19, "quatorze": 14, "tausend": 1000,
    "duizend": 1000, "mille": 1000, "mil": 1000, "ciento": 100, "einhundert": 100,
    "eintausend": 1000,
}  # fmt: skip
_ARTICLES = frozenset("eine einen ein une una un uma um uno een".split())  # noqa: SIM905
_ASKED = {
    "de": r"\b(?:wie viele?|welche[rsmn]?|was|wer|wo|wann|wieviel|ist|auf deutsch|german)\b",
    "nl": r"\b(?:hoeveel|welke?|wat|wie|waar|dutch)\b",
    "fr": r"\b(?:combien|quel(?:le)?s?|qui|que|quand|font|est-ce|french)\b|qu['’]",
    "es": r"¿|\b(?:cuant[oa]s?|spanish)\b",
    "it": r"\b(?:quant[oaei]|qual[ei]?|che|chi|dove|quando|italian)\b",
    "pt": r"\b(?:quant[oa]s|quanto|qual|quais|quem|onde|portuguese)\b",
}
# "treinta y uno", "vinte e um", "vingt et un"
_JOINT = re.compile(r"(?<=nta|nte|nti|ngt|nze) (y|e|et) (?=\w)")
_WORD = re.compile(r"[^\W\d]+(?:-[^\W\d]+)*")


def foreign_number(question: str, text: str) -> int | None:
    """The one number word of the question's language in `text`; None without or with several."""
    languages = _languages(question)
    if not languages or len(text) > 300:
        return None
    folded = _JOINT.sub(lambda joint: "-et-" if joint[1] == "et" else "-", _fold(text))
    tokens = _WORD.findall(folded)
    asked = set(_WORD.findall(_fold(question)))
    for language in languages:
        known = _numerals(language)
        # An article is a number only where it stands alone.
        found = [
            known[t]
            for t in tokens
            if t in known and t not in asked and (t not in _ARTICLES or len(tokens) == 1)
        ]
        if len(found) == 1:
            return found[0]
    return None


@lru_cache(maxsize=256)
def _languages(question: str) -> tuple[str, ...]:
    folded = _fold(question)
    return tuple(language for language, mark in _ASKED.items() if re.search(mark, folded))


@lru_cache(maxsize=1)
def _every() -> dict[str, dict[str, int]]:
    return {language: _build(language) for language in _SMALL}


def _numerals(language: str) -> dict[str, int]:
    return _every()[language]


def _build(language: str) -> dict[str, int]:
    small, tens = _SMALL[language].split(), _TENS[language].split()
    table = {word: i for i, word in enumerate(small)} | _MORE
    for i, ten in enumerate(tens):
        base = 20 + 10 * i
        table[ten] = base
        if base == 100:
            break
        for one in range(1, 10):
            for word in _compounds(language, ten, base, one, small):
                table[word] = base + one
    if language == "fr":
        table["quatre-vingt"] = 80
        for i in range(11, 20):
            table[f"soixante-{small[i]}"] = 60 + i
            table[f"quatre-vingt-{small[i]}"] = 80 + i
        table["soixante-et-onze"] = 71
    return table


def _compounds(language: str, ten: str, base: int, one: int, small: list[str]) -> list[str]:
    word = small[one]
    if language in ("de", "nl"):
        word = "ein" if word == "eins" else word
        return [f"{word}und{ten}", f"{word}en{ten}"]
    if language == "fr":
        if base in (70, 90):
            return []
        ten = ten.removesuffix("s") if base == 80 else ten
        return [f"{ten}-{word}", f"{ten}-et-{word}"]
    if language == "it":
        return [ten[:-1] + word if one in (1, 8) else ten + word]
    joined = ["veinti" + word] if language == "es" and base == 20 else []
    return [*joined, f"{ten}-{word}"]


def _fold(text: str) -> str:
    return without_accents(text.casefold().replace("ß", "ss"))
