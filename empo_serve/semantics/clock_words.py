"""Times of day in words of other languages than English: "halb drei", "las cuatro y cuarto"."""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.normalize import without_accents
from empo_serve.semantics.numerals import number_words

# By language, (form, minutes past the hour that it names). H is the hour, M a number of minutes.
_FORMS: dict[str, list[tuple[str, int]]] = {
    "de": [
        ("halb H", -30), ("dreiviertel H", -15), ("viertel nach H", 15), ("viertel vor H", -15),
        ("M nach H", 1), ("M vor H", -1), ("H uhr M", 1),
    ],
    "nl": [
        ("half H", -30), ("kwart over H", 15), ("kwart voor H", -15), ("M over H", 1),
        ("M voor H", -1), ("H uur M", 1),
    ],
    "sv": [("halv H", -30), ("kvart over H", 15), ("kvart i H", -15)],
    "da": [("halv H", -30), ("kvart over H", 15), ("kvart i H", -15)],
    "fr": [
        ("H heures? et quart", 15), ("H heures? et demie?", 30), ("H heures? moins le quart", -15),
        ("H heures M", 1),
    ],
    "es": [
        ("las? H y cuarto", 15), ("las? H y media", 30), ("las? H menos cuarto", -15),
        ("las? H y M", 1),
    ],
    "it": [
        ("(?:le |l')H e un quarto", 15), ("(?:le |l')H e mezz[ao]", 30),
        ("(?:le |l')H meno un quarto", -15), ("(?:le |l')H e M", 1),
    ],
}  # fmt: skip


# What every form has, looked for first: the forms are long.
_MARK = re.compile(
    r"\b(?:halb|(?:drei)?viertel|nach|vor|uhr|half|kwart|over|voor|uur|halv|kvart|heures?|las?"
    r"|quarto|mezz[ao]|(?:le|l') ?\w+ e)\b"
)


def clock_in_digits(text: str) -> str:
    """ "Es ist halb drei" -> "es ist 2:30"; any other text as it is."""
    folded = without_accents(text.casefold())
    if not _MARK.search(folded):
        return text
    for pattern, past, language in _patterns():
        if found := pattern.search(folded):
            numbers = number_words(language)
            hour, minutes = (
                None if said is None else int(said) if said.isdecimal() else numbers[said]
                for said in (found["hour"], found.groupdict().get("minutes"))
            )
            time = 60 * (hour or 0) + (past * minutes if minutes is not None else past)
            digits = f"{time // 60 % 24}:{time % 60:02}"
            return f"{folded[: found.start()]}{digits}{folded[found.end() :]}"
    return text


def load_clock_words() -> None:
    """Read the number words and build the patterns now, not with the first answer."""
    _patterns()


@lru_cache(maxsize=1)
def _patterns() -> list[tuple[re.Pattern[str], int, str]]:
    found = []
    for language, forms in _FORMS.items():
        said = sorted((w for w, n in number_words(language).items() if n < 60), key=len)[::-1]
        number = "|".join([*map(re.escape, said), r"\d{1,2}"])
        for form, past in forms:
            pattern = form.replace("H", f"(?P<hour>{number})").replace(
                "M", f"(?P<minutes>{number})"
            )
            found.append((re.compile(rf"\b{pattern}\b"), past, language))
    return found
