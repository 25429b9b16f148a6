"""Number words of German, Dutch, French, Spanish, Italian, Portuguese, Russian (to 1000), Chinese
and Japanese (to 99 999)."""

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
    "ru": "ноль один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать"
    " тринадцать четырнадцать пятнадцать шестнадцать семнадцать восемнадцать девятнадцать",
}
_TENS = {  # 20, 30, ...
    "de": "zwanzig dreissig vierzig funfzig sechzig siebzig achtzig neunzig hundert",
    "nl": "twintig dertig veertig vijftig zestig zeventig tachtig negentig honderd",
    "fr": "vingt trente quarante cinquante soixante soixante-dix quatre-vingts quatre-vingt-dix"
    " cent",
    "es": "veinte treinta cuarenta cincuenta sesenta setenta ochenta noventa cien",
    "it": "venti trenta quaranta cinquanta sessanta settanta ottanta novanta cento",
    "pt": "vinte trinta quarenta cinquenta sessenta setenta oitenta noventa cem",
    "ru": "двадцать тридцать сорок пятьдесят шестьдесят семьдесят восемьдесят девяносто сто",
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
    "ru": r"[а-я]",
    "pt": r"\b(?:quant[oa]s|quanto|qual|quais|quem|onde|portuguese)\b",
}
# "treinta y uno", "vinte e um", "vingt et un"
_JOINT = re.compile(r"(?<=nta|nte|nti|ngt|nze) (y|e|et) (?=\w)")
_RUSSIAN_TENS = re.compile(
    rf"\b({'|'.join(_TENS['ru'].split()[:8])}) (?={'|'.join(_SMALL['ru'].split()[1:10])})"
)
_CJK_NUMERAL = re.compile(r"[零〇一二两三四五六七八九十百千万]+")
_CJK_COUNT_QUESTION = re.compile(r"[几幾何]|多少|いくつ|いくら")
_CJK_DIGITS = {c: i for i, c in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2}
_CJK_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10_000}
_WORD = re.compile(r"[^\W\d]+(?:-[^\W\d]+)*")


def foreign_number(question: str, text: str) -> int | None:
    """The one number word of the question's language in `text`; None without or with several."""
    if _CJK_COUNT_QUESTION.search(question):
        return _cjk_number(question, text)
    languages = _languages(question)
    if not languages or len(text) > 300:
        return None
    text = _RUSSIAN_TENS.sub(r"\1-", text.lower())
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


@lru_cache(maxsize=1)
def _every() -> dict[str, dict[str, int]]:
    return {language: _build(language) for language in _SMALL}


def _numerals(language: str) -> dict[str, int]:
    return _every()[language]


def _build(language: str) -> dict[str, int]:
    small, tens = _SMALL[language].split(), _TENS[language].split()
    table = {_fold(word): i for i, word in enumerate(small)} | _MORE
    for i, ten in enumerate(tens):
        base = 20 + 10 * i
        table[_fold(ten)] = base
        if base == 100:
            break
        for one in range(1, 10):
            for word in _compounds(language, ten, base, one, small):
                table[_fold(word)] = base + one
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
