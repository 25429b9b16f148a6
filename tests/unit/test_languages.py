"""Names, number words and times of day in many languages."""

from __future__ import annotations

import pytest

from empo_serve.semantics.aliases import asked_calendar_names, is_alias
from empo_serve.semantics.clock_words import clock_in_digits
from empo_serve.semantics.numerals import foreign_number, number_words
from empo_serve.semantics.reading import read
from empo_serve.semantics.rules import compare


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Deutschland", "Tyskland"),
        ("Япония", "Japan"),
        ("Türkei", "Turchia"),
        ("the Czech Republic", "Česko"),
        ("Ivory Coast", "Côte d’Ivoire"),
        ("USA", "Estados Unidos"),
        ("DKK", "Danish kroner"),
        ("Spanisch", "español"),
        ("kwiecień", "April"),
        ("Juni", "червень"),
        ("O Pacífico", "the Pacific Ocean"),
        ("CO₂", "carbon dioxide"),
        ("Тбилиси", "Tbilisi"),
        ("Достоевский", "Dostoevsky"),
        ("Хельсинки", "Helsinki"),
        ("서울", "Seoul"),
    ],
)
def test_names_of_one_thing_in_two_languages(a: str, b: str) -> None:
    assert is_alias("", a, b)
    assert is_alias("", b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Niger", "Nigeria"),
        ("Guinea", "Guinea-Bissau"),
        ("DRC", "Republic of the Congo"),
        ("NOK", "DKK"),
        ("Australia", "Österreich"),
        ("czerwiec", "July"),
        ("Ереван", "Tbilisi"),
    ],
)
def test_names_of_two_things_are_no_aliases(a: str, b: str) -> None:
    assert not is_alias("", a, b)


@pytest.mark.parametrize(
    ("question", "text", "number"),
    [
        ("Combien de jours y a-t-il en mai ?", "Trente et un", 31),
        ("Combien y en a-t-il ?", "quatre-vingt-dix-sept", 97),
        ("¿Cuántos son?", "son treinta y uno", 31),
        ("Quantos são?", "vinte e seis", 26),
        ("In che anno fu?", "nel millenovecentoquarantasei", 1946),
        ("Ile dni ma tydzień?", "siedem", 7),
        ("Ile to jest?", "dwadzieścia jeden", 21),
        ("Hur många timmar är det?", "tjugofyra timmar", 24),
        ("Hvor mange er det?", "seksti minutter", 60),
        ("Kuinka monta päivää?", "seitsemän", 7),
        ("Kaç ay vardır?", "on iki ay", 12),
        ("Kolik jich je?", "dvacet pět", 25),
        ("Сколько их?", "двадцать один", 21),
        ("Wie viele sind es?", "einundzwanzig", 21),
        ("Wie viele sind es?", "ein Hund", None),  # an article
        ("Wie viele sind es?", "drei oder vier", None),
        ("How many are there?", "elf", None),
    ],
)
def test_number_words_of_the_language_of_the_question(
    question: str, text: str, number: int | None
) -> None:
    assert foreign_number(question, text) == number


def test_thirty_one_is_not_thirty() -> None:
    asked = "Combien de jours y a-t-il en avril ?"
    assert compare(read(asked, "Trente et un"), read(asked, "30")).same is False
    assert compare(read(asked, "Trente et un"), read(asked, "31")).same is True


def test_every_language_counts_to_a_hundred() -> None:
    for language in ("de", "nl", "fr", "es", "it", "pt", "ru", "pl", "cs", "sv", "da", "fi", "tr"):
        assert set(range(101)) <= set(number_words(language).values()), language


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("halb drei", "2:30"),
        ("Viertel vor vier", "3:45"),
        ("zehn vor acht", "7:50"),
        ("drei Uhr dreißig", "3:30"),
        ("zeven uur dertig", "7:30"),
        ("half acht", "7:30"),
        ("trois heures et demie", "3:30"),
        ("las cinco menos cuarto", "4:45"),
        ("le tre e un quarto", "3:15"),
        ("half of it", "half of it"),
        ("over there", "over there"),
    ],
)
def test_times_of_day_in_words(text: str, digits: str) -> None:
    assert clock_in_digits(text) == digits


def test_a_month_may_be_counted_and_stand_beside_a_day_of_the_week() -> None:
    asked = "In which month is it celebrated?"
    assert asked_calendar_names(asked, "the fourth Thursday of Nov.") == {"november"}
    assert asked_calendar_names(asked, "in the tenth month of the year") == {"october"}
    assert asked_calendar_names("On which day?", "a Thursday in November") == {"thursday"}
