"""Write empo_serve/semantics/languages/: names from the Unicode CLDR and number words, by language.

    pip install babel==2.18.0 num2words==0.5.14
    python scripts/gen_languages.py

names.txt.gz: one line is one country or continent, after an empty line one language, after
another one currency; its names, English first, then in LANGUAGES. calendar.txt.gz: the same for
months and days of the week. numbers.txt.gz: one line is one language, its name first, then its
words for 0 to 2100. All is lower case, without accents, between "|". Babel carries the CLDR's
names (licence: languages/LICENSE).
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from pathlib import Path

from babel import Locale, UnknownLocaleError, numbers
from num2words import num2words

from empo_serve.semantics.normalize import without_accents

TARGET = Path(__file__).parent.parent / "empo_serve" / "semantics" / "languages"
LANGUAGES = (  # noqa: SIM905
    "de fr es it pt nl ru pl cs sv da nb fi tr hu ro uk el ar he fa hi id vi ko ja zh bg sk ca lt"
    " lv et sl sr th bn ms"
).split()
# Not Croatian: its names of months are those of other months in its neighbours' languages.
COUNTED = "de nl fr es it pt ru pl cs sv da no fi tr hu ro uk id vi".split()  # noqa: SIM905
CONTINENTS = ("002", "003", "005", "009", "142", "150")
MAX_NUMBER = 2100


def main() -> None:
    english = Locale("en")
    locales = [english, *(Locale.parse(language) for language in LANGUAGES)]
    places = [
        [locale.territories.get(code, "") for locale in locales]
        for code in english.territories
        if (len(code) == 2 and code not in ("ZZ", "EZ", "XA", "XB")) or code in CONTINENTS
    ]
    languages = [
        [locale.languages.get(code, "") for locale in locales]
        for code in english.languages
        if len(code) == 2 and _is_spoken(code)
    ]
    currencies = [
        [
            english.currencies[code],
            code,
            numbers.get_currency_name(code, 2, english),
            *(locale.currencies.get(code, "") for locale in locales),
        ]
        for code in sorted(numbers.list_currencies("en"))
        if code[0] != "X" and not re.search(r"\d", english.currencies[code])
    ]
    kinds = [[_line(names) for names in kind] for kind in (places, languages, currencies)]
    _write("names.txt.gz", [*kinds[0], "", *kinds[1], "", *kinds[2]])
    calendar = []
    for part, numbers_of in (("months", range(1, 13)), ("days", range(7))):
        for place in numbers_of:
            forms = [
                getattr(locale, part)[context]["wide"][place]
                for locale in locales
                for context in ("stand-alone", "format")
            ]
            calendar.append([name for name in forms if len(name) > 3 or not name.isascii()])
    _write("calendar.txt.gz", (_line(names) for names in calendar))
    _write("numbers.txt.gz", (_number_words(language) for language in COUNTED))


def _is_spoken(code: str) -> bool:
    try:
        return Locale.parse(code) is not None
    except UnknownLocaleError:
        return False


def _number_words(language: str) -> str:
    said = (num2words(number, lang=language) for number in range(MAX_NUMBER + 1))
    return "|".join([language, *(plain(text.replace("-", " ").replace(",", "")) for text in said)])


def _line(names: Iterable[str]) -> str:
    """The names without repetitions; those with digits are no words."""
    told = [plain(re.sub(r"\s*[(（].*$", "", name)) for name in names]
    kept = dict.fromkeys(name for name in told if name and not re.search(r"[\d|]", name))
    return "|".join(kept)


def plain(text: str) -> str:
    return without_accents(text.casefold().replace("’", "'")).replace("\u00ad", "").strip()


def _write(name: str, lines: Iterable[str]) -> None:
    text = "\n".join(line for line in lines if "|" in line or not line) + "\n"
    TARGET.mkdir(exist_ok=True)
    (TARGET / name).write_bytes(gzip.compress(text.encode(), mtime=0))
    print(f"{text.count(chr(10))} lines in {TARGET / name}")


if __name__ == "__main__":
    main()
