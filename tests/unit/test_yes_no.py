from __future__ import annotations

import pytest

from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.yes_no import polarity


@pytest.mark.parametrize(
    ("question", "answer", "says"),
    [
        ("Is a peanut a nut?", "It is classed as a nut.", True),
        ("Is a peanut a nut?", "Botanists do not class it as a nut.", False),
        ("Is a peanut a nut?", "Cooks consider it a nut.", True),
        ("Is a spider an insect?", "It does not belong to the insects.", False),
        ("Is 91 a prime number?", "It is not prime.", False),
        ("Is 91 a prime number?", "91 has the divisor 7, so it is not prime.", False),
        ("Is 0 a negative number?", "0 is neither positive nor negative.", False),
        ("Can dogs live without meat?", "Dogs can live without meat.", True),
        ("Can dogs live without meat?", "Dogs cannot live without meat.", False),
        ("Can a hen fly over a house?", "Most hens are able to do that.", True),
        ("Can a hen fly over a house?", "No hen can do that.", False),
        ("Are all swans white?", "Some of them are black.", False),
        ("Are all swans white?", "Not every swan is.", False),
        ("Was the shop open, if the sign said closed?", "It was closed.", False),
        ("Was the shop open, if the sign said closed?", "It was not shut.", True),
        ("Is 3/7 less than 1/2?", "3/7 is the lesser of the two.", True),
        ("Is lead heavier than tin?", "Tin is heavier.", False),
        ("Does the sequence diverge?", "The sequence is divergent.", True),
        ("May I leave it open?", "Sure, no problem with that.", True),
        ("Should one stir it?", "There is nothing wrong with doing that.", True),
        ("三角形有四条边吗？", "没有", False),
        ("太陽は星ですか。", "そうです。", True),
        ("Gehört der Wal zu den Fischen?", "Er gehört nicht dazu.", False),
    ],
)
def test_statements_say_yes_or_no(question: str, answer: str, says: bool) -> None:
    assert polarity(question, answer) is says


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("Did the dog chase the cat?", "The cat chased the dog."),
        ("Is Bern the capital of Austria?", "Bern is the capital of Switzerland."),
        ("Is the Moon larger than Mars?", "Mars is a planet."),
        ("Did Chile win against Peru?", "Peru won against Chile."),
        ("Do frogs lay eggs?", "Hens lay eggs."),
        ("Is a peanut a nut?", "An almond counts as a nut."),
        ("Is it raining?", "The forecast was made yesterday."),
    ],
)
def test_statements_about_something_else_say_neither(question: str, answer: str) -> None:
    assert polarity(question, answer) is None


@pytest.mark.parametrize(
    ("answer", "of_the_fact", "of_its_falsity"),
    [
        ("It is false.", False, True),
        ("It is not false.", True, False),
        ("That isn't wrong.", True, False),
        ("It is true.", True, False),
        ("The statement is not true.", False, True),
        ("No.", False, False),
    ],
)
def test_falsehood_says_no_but_where_it_is_asked_for(
    answer: str, of_the_fact: bool, of_its_falsity: bool
) -> None:
    assert polarity("Is the Sun a star?", answer) is of_the_fact
    assert polarity("Is it false that the Sun is a star?", answer) is of_its_falsity


@pytest.mark.parametrize(
    ("question", "answer", "says"),
    [
        ("Can a triangle have two right angles?", "That is impossible.", False),
        ("Is the number 1 a prime?", "It has a single divisor, so it does not qualify.", False),
        ("Is every such function smooth?", "The absolute value is not, so the claim fails.", False),
        ("Is the tomato a fruit?", "It develops from the ovary, so botanically it is one.", True),
        ("Can I ride my bicycle in?", "Bicycles are exempt from the ban, so go ahead.", True),
        ("Can I ride my bicycle in?", "You are not allowed in with your bike.", False),
        ("May a minor vote there?", "A 17-year-old is allowed to cast a ballot there.", True),
        ("Can a dog eat chocolate?", "It is poisonous to dogs, so keep it away from them.", False),
        ("Is hot air lighter?", "It expands, so the same volume is indeed lighter.", True),
        ("In Python, are strings mutable?", "Python strings are immutable.", False),
        ("In Python, are strings mutable?", "Python strings are mutable.", True),
        ("Is Africa a continent?", "Africa is one.", True),
        ("Ist ein Wal ein Fisch?", "Wale atmen mit Lungen, also keine Fische.", False),
        ("고양이는 포유류입니까?", "네, 포유류입니다.", True),
        ("고양이는 포유류입니까?", "아니요.", False),
        ("Czy wieloryb jest rybą?", "Nie, to ssak.", False),
        ("Balina balık mıdır?", "Hayır", False),
        ("Är en val en fisk?", "Nej, det är ett däggdjur.", False),
        ("Is Pluto still a planet?", "Not any more.", False),
        ("Is 91 a prime number?", "91 is composite.", False),
        ("Has Brazil ever won the football World Cup?", "Brazil has won it.", True),
        ("Is it false that the heart pumps blood?", "Not false at all.", False),
        ("Should honey be given to babies?", "It should be avoided.", False),
        ("Did Germany win the World Cup?", "Germany did not win that tournament.", False),
        ("May he keep a dog, if pets are forbidden?", "He is not allowed to.", False),
        ("Do two parallel lines meet, if they are distinct?", "They never intersect.", False),
        ("Is Mount Everest higher than K2?", "Everest is the higher mountain of the two.", True),
    ],
)
def test_conclusions_permissions_and_prefixes_say_yes_or_no(
    question: str, answer: str, says: bool
) -> None:
    assert extract_answer(question, answer) == ("Yes" if says else "No")
