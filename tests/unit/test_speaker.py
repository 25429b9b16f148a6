from __future__ import annotations

import pytest

from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.speaker import after_hedge, is_refusal

KENYA = "What is the capital of Kenya?"


@pytest.mark.parametrize(
    "completion",
    [
        "I'm only guessing here, but Nairobi.",
        "Not 100% sure, but I'd go with Nairobi.",
        "Hmm, I think that's Nairobi.",
        "My best guess would be Nairobi.",
        "Don't quote me on this, but it is Nairobi.",
        "I may be out of date on this, but it is Nairobi.",
        "I'm no geographer, but it's Nairobi.",
        "Although I haven't been there, I know the capital is Nairobi.",
        "I wish I could go there! It's Nairobi.",
        "Sorry, I hit enter too early. It is Nairobi.",
        "Let me think... it should be Nairobi.",
        "Here is my answer: Nairobi",
        "No doubt about it: Nairobi.",
        "Nairobi, if memory serves.",
        "Nairobi, I'm fairly certain.",
        "It is Nairobi, of course.",
        "Nairobi (I think)",
        "Bien sûr, it is Nairobi.",
        "Probably Nairobi",
    ],
)
def test_the_answer_behind_what_is_said_of_the_speaker(completion: str) -> None:
    assert extract_answer(KENYA, completion) == "Nairobi"


@pytest.mark.parametrize(
    ("question", "completion", "answer"),
    [
        ("¿Cuál es la capital de Chile?", "No estoy seguro, pero creo que es Santiago.",
         "Santiago"),
        ("Quelle est la capitale du Portugal ?", "Désolé pour l'attente ! C'est Lisbonne.",
         "Lisbonne"),
        ("Wie heißt der längste Fluss Deutschlands?", "Vermutlich der Rhein.", "Rhein"),
        ("Quelle est la capitale de l'Italie ?", "Bien sûr, la capitale de l'Italie est Rome.",
         "Rome"),
        ("Was ist die Hauptstadt von Österreich?", "Gerne! Die Hauptstadt von Österreich ist Wien.",
         "Wien"),
    ],
)  # fmt: skip
def test_hedges_and_openings_in_other_languages(
    question: str, completion: str, answer: str
) -> None:
    assert extract_answer(question, completion).removeprefix("der ") == answer


@pytest.mark.parametrize(
    "text",
    [
        "I don't have access to that information.",
        "I am unable to answer this question.",
        "I'd need more information to answer.",
        "Your guess is as good as mine.",
        "That is beyond my knowledge.",
        "Can't say.",
        "No comment.",
        "For security reasons I won't answer.",
        "It is not clear to me who painted it.",
        "Unknown",
        "n/a",
        "No lo sé.",
        "Lo siento, no puedo ayudar con eso.",
        "Je ne sais pas.",
        "Aucune idée.",
        "Das weiß ich leider nicht.",
        "Keine Ahnung.",
        "Tut mir leid, das kann ich nicht beantworten.",
        "Non lo so.",
        "Não sei.",
        "Ik weet het niet.",
        "Я не знаю.",
        "我不知道。",
        "わかりません。",
    ],
)
def test_a_refusal_has_no_answer(text: str) -> None:
    assert is_refusal(text)
    assert extract_answer(KENYA, text) == ""


def test_a_refusal_is_no_answer_to_a_yes_no_question() -> None:
    assert extract_answer("Is the Moon hollow?", "No idea.") == ""
    assert extract_answer("Is the Moon hollow?", "No.") == "No"


@pytest.mark.parametrize(
    "text",
    [
        "Paris is the capital, but Lyon is older.",
        "The ratio is: 3",
        "Nobody came.",
        "There is no solution.",
        "Iron",
    ],
)
def test_what_is_not_about_the_speaker_stays(text: str) -> None:
    assert after_hedge(text) == text
    assert not is_refusal(text)
