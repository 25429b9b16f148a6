from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.base import Verdict
from empo_serve.semantics.reading import read
from empo_serve.semantics.rules import compare


def verdict(question: str, a: str, b: str) -> Verdict:
    """Rules without mathematics: no process is started here."""
    one, other = (
        compare(read(question, a), read(question, b)),
        compare(read(question, b), read(question, a)),
    )
    assert one == other
    return one


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        ("What is the capital of France?", "Paris", "The capital of France is Paris."),
        ("What is the capital of France?", "paris", "PARIS!"),
        ("What is the capital of France?", "Paris, France", "Paris"),
        ('What is the plural of "mouse"?', "mice", 'The plural of "mouse" is "mice".'),
        ("Which animal is it?", "the dog", "a dog"),
        ("Which animal is it?", "dog", "DOG."),
        ("What is the capital of Brazil?", "Brasília", "Brasilia"),
        ("How many seconds are in one hour?", "3,600 seconds", "3600"),
        ("How many seconds are in one hour?", "one hour", "60 minutes"),
        ("How many legs does a spider have?", "8", "A spider has eight legs."),
        ("What is 7 minus 19?", "−12", "minus twelve"),
        ("What is 1/8 as a decimal?", "0.125", ".125"),
        ("What is the price?", "$60", "60 dollars"),
        ("What is the price?", "12,50 €", "twelve euros and fifty cents"),
        ("What is the probability of heads?", "50%", "1/2"),
        ("How far is it?", "1.5 × 10^8 km", "150 million kilometres"),
        ("Is 17 prime?", "Yes.", "Yes, 17 is prime."),
        ("Is 17 prime?", "No", "17 is not prime."),
        ("Which gas? (A) neon (B) argon", "B", "argon"),
        ("When did the war end?", "May 8, 1945", "the 8th of May 1945"),
        ("When is the meeting?", "18:30", "half past six p.m."),
        ("Name the primary colours of light.", "blue, red, green", "Red, green and blue"),
        ("Who wrote the Principia?", "Newton", "Isaac Newton"),
        ("What is the formula of water?", "H₂O", "H2O"),
        ("Which city is it?", "Praha", "the city of Prague"),
        ("Which element is a noble gas?", "He", "helium"),
        ("Who is the thief?", "The thief in the tale is Robin Hood.", "Hood"),
        ("Who invented it?", "Tesla", "It was the Serbian engineer Nikola Tesla."),
        ("Who composed it?", "J. S. Bach", "Johann Sebastian Bach"),
        ("Which club won?", "the Lakers", "The Los Angeles Lakers won it."),
        ("Which body is it?", "WHO", "the World Health Organization"),
        ("How much is left?", "1.5 l", "a litre and a half"),
        ("How likely is it?", "1/6", "one in six"),
        ("What does each pay?", "12.50 €", "Each of them pays twelve euros and fifty cents."),
        ("What is 1/4 as a decimal?", "0.25", "1 divided by 4 is 0.25."),
        ("How long is it, in hours?", "1.5", "it lasts 3/2 hours"),
        ("What time is it?", "8:15", "eight fifteen"),
        ("What time is it?", "9:00", "nine o'clock"),
        ("On what date is it?", "June 30", "the last day of June"),
        ("What tree is it?", "oak", "It is usually made of oak."),
        ("Does warm air rise?", "Yes", "Warm air goes up."),
        ("Does warm air rise?", "No", "Warm air sinks."),
        ("Do more people live in Peru than in Chile?", "No", "Peru has fewer inhabitants."),
        ("太阳从哪个方向升起？", "东方", "太阳从东边升起。"),
        ("日本で一番高い山は何ですか。", "富士山", "それは標高3776メートルの富士山です。"),
        ("¿De qué color es la nieve?", "blanca", "La nieve es de color blanco."),
        ("¿Es la Luna un planeta?", "No", "No lo es."),
        ("¿Es Marte un planeta?", "Sí", "Lo es."),
        ("Ist der Mond ein Planet?", "Nein", "Der Mond ist kein Planet."),
        ("La Lune est-elle une planète ?", "Non", "Pas du tout."),
        ("Является ли Луна звездой?", "Нет", "Не является."),
        ("月亮是恒星吗？", "不是", "月亮不是恒星。"),
        ("Wie viele Beine hat eine Spinne?", "acht", "Eine Spinne hat 8 Beine."),
        ("Combien font neuf fois neuf ?", "quatre-vingt-un", "81"),
        ("¿Cuántos días tiene junio?", "treinta", "30"),
        ("Welcher Tag folgt auf Montag?", "Dienstag", "Auf Montag folgt Dienstag."),
        ("When was it signed?", "12/24/1814", "December 24, 1814"),
        ("When was it signed?", "24.12.1814", "December 24, 1814"),
        ("How many moons has Venus?", "0", "There are none."),
        ("Who was there?", "Nobody", "No one was there."),
        ("Which vowels are in it?", "a-e-o", "o, e and a"),
        ("Name the Stooges.", "Moe, Larry, Curly", "Moe Howard, Curly Howard and Larry Fine"),
        ("Who was ahead, Ravi or Deniz?", "Ravi was in front.", "Ravi"),
        ("In which decade was it built?", "the 1920s", "It was built in the twenties."),
        ("In which decade was it built?", "1980s", "the '80s"),
        ("In what year was it founded?", "1776", "It was founded in seventeen seventy-six."),
        ("In what year was it founded?", "1805", "eighteen oh five"),
        ("When did she leave?", "0:20", "at twenty past midnight"),
        ("When did she leave?", "12:00", "at noon"),
        ("What time is it?", "4:50", "ten minutes to five"),
        ("How long does it stay?", "72 hours", "It will stay three days there."),
        ("How long is the plank?", "150 cm", "The plank is 1.5 metres in length."),
        ("Which months is it open?", "Mar, Apr, Oct", "It opens in October, April and March."),
        ("一周有几天？", "7", "一周有七天。"),
        ("一時間は何分ですか。", "60", "六十分です。"),
        ("Сколько ног у паука?", "8", "У паука восемь ног."),
        ("Сколько дней в июне?", "тридцать", "30"),
        ("谁写了《西游记》？", "吴承恩", "是明代作家吴承恩写的。"),
        ("「高い」の反対は何ですか。", "低い", "「低い」です。"),
        ("Кто написал «Мёртвые души»?", "Гоголь", "Роман написал Н. В. Гоголь."),
        ("Who won the vote?", "Bill Clinton", "William Clinton"),
        ("Who drew it?", "Galileo", "Galileo Galilei"),
        ("Which king was it?", "Henry IV", "King Henry IV of the house of Bourbon"),
        ("Which gas is it?", "O2", "oxygen"),
        ("Which land is it?", "Deutschland", "ドイツ"),
        ("Who ruled it?", "Ivan", "Ivan the Terrible"),
        ("How does its weight change?", "It drops.", "The weight becomes lower."),
        ("What happens to the price?", "It rises.", "The price grows, as nobody sells."),
        ("What happens to the price?", "It stays the same.", "The price does not change."),
        ("What share is it?", "5/8", "five eighths"),
        ("What share is it?", "one tenth", "0.1"),
    ],
)
def test_same(question: str, a: str, b: str) -> None:
    assert verdict(question, a, b).same is True


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        ("What is the capital of France?", "Paris", "London"),
        ("What is the capital of France?", "Paris", ""),
        ("What is the capital of France?", "I don't know.", "I don't know."),
        ('What is the opposite of "warm"?', "cold", "hot"),
        ("What is 7 minus 19?", "12", "-12"),
        ("What is 7 minus 19?", "minus twelve", "twelve"),
        ("How many seconds are in one hour?", "3,600", "36,000"),
        ("How many seconds are in one hour?", "60 minutes", "61 minutes"),
        ("What is the ratio?", "1.5", "15"),
        ("Which language is it?", "C", "C++"),
        ("Which language is it?", "C#", "C"),
        ("Is 17 prime?", "Yes", "No"),
        ("Which gas? (A) neon (B) argon", "A", "argon"),
        ("When did the war end?", "May 8, 1945", "May 8, 1944"),
        ("When is the meeting?", "6:30 pm", "6:30 am"),
        ("List the planets in order.", "Venus, Earth", "Earth, Venus"),
        ("Name two colours.", "red, green", "red, blue"),
        ("Who was president?", "George Washington", "George W. Bush"),
        ("Where is it?", "Korea", "North Korea"),
        ("Where is it?", "Guinea", "New Guinea"),
        ("How likely is it?", "1/6", "six in one"),
        ("What does each pay?", "12.50 €", "Each of them pays twelve euros and sixty cents."),
        ("What is 1/4 as a decimal?", "0.25", "1 divided by 4 is 0.4."),
        ("What time is it?", "8:15", "eight fifty"),
        ("On what date is it?", "June 30", "the first day of June"),
        ("What tree is it?", "oak", "It is taller than an oak."),
        ("What tree is it?", "oak", "It is not made of oak."),
        ("What animal is it?", "whale", "the blue whale"),
        ("Does warm air rise?", "Yes", "Warm air sinks."),
        ("Do more people live in Peru than in Chile?", "No", "Chile has fewer inhabitants."),
        ("太阳从哪个方向升起？", "东方", "太阳从西边升起。"),
        ("日本の首都はどこですか。", "京都", "東京です。"),
        ("¿Qué hay en la costa?", "un puerto", "una puerta"),
        ("¿Es la Luna un planeta?", "Sí", "No lo es."),
        ("La Lune est-elle une planète ?", "Oui", "Pas du tout."),
        ("Является ли Луна звездой?", "Да", "Не является."),
        ("Which city is it?", "Praha", "the city of Brno"),
        ("Which element is it?", "He", "hydrogen"),
        ("Who composed it?", "J. S. Bach", "Carl Philipp Bach"),
        ("Who wrote it?", "George W. Bush", "George H. W. Bush"),
        ("Which mission was it?", "Apollo 11", "It was Apollo 13 in the end."),
        ("Which body is it?", "WHO", "World Trade Organization"),
        ("Which of them did it?", "Ana", "Not Ana."),
        ("Which countries border it?", "Spain", "France and Spain"),
        ("Wie viele Beine hat eine Spinne?", "acht", "sechs"),
        ("Combien font neuf fois neuf ?", "quatre-vingt-un", "quatre-vingt-onze"),
        ("Welcher Tag folgt auf Montag?", "Dienstag", "Auf Montag folgt Donnerstag."),
        ("When was it signed?", "4/7/1814", "July 4, 1815"),
        ("How many moons has Venus?", "1", "There are none."),
        ("Who was there?", "Nobody", "Nobody but Ana was there."),
        ("Name the Stooges.", "Moe, Larry, Curly", "Moe Howard, Curly Howard and Shemp Howard"),
        ("Put the steps in the right order.", "wash, rinse, dry", "dry, wash, rinse"),
        ("Who was ahead, Ravi or Deniz?", "Ravi was in front.", "Deniz was in front."),
        ("Who helped whom, Ana or Ben?", "Ana helped Ben.", "Ben helped Ana."),
        ("Which letter?", "か", "が"),
        ("What is it?", "\\Delta", "\\delta"),
        ("In which decade was it built?", "the 1920s", "It was built in the thirties."),
        ("In which decade was it built?", "the 1820s", "the 1920s"),
        ("In what year was it founded?", "1776", "It was founded in seventeen sixty-seven."),
        ("When did she leave?", "at midnight", "at noon"),
        ("What time is it?", "5:10", "ten minutes to five"),
        ("How long does it stay?", "72 hours", "It will stay two days there."),
        ("How long does it stay?", "3 hours", "It will stay three days there."),
        ("Which months is it open?", "Mar, Apr", "It opens in October, April and March."),
        ("一周有几天？", "6", "一周有七天。"),
        ("Сколько ног у паука?", "6", "У паука восемь ног."),
        ("谁写了《西游记》？", "吴承恩", "是明代作家罗贯中写的。"),
        ("谁写了《西游记》？", "吴承恩", "罗贯中和吴承恩"),
        ("「高い」の反対は何ですか。", "低い", "「大きい」です。"),
        ("Who won the vote?", "Bill Clinton", "Robert Clinton"),
        ("Who won the vote?", "Vincent", "Vincent Cable"),
        ("Which king was it?", "Henry IV", "King Henry V of the house of Lancaster"),
        ("Which gas is it?", "O2", "ozone"),
        ("Which land is it?", "Deutschland", "フランス"),
        ("Who wrote it?", "Pliny the Elder", "Pliny the Younger"),
        ("How does its weight change?", "It drops.", "The weight becomes higher."),
        ("What happens to the price?", "It rises.", "The price does not change."),
        ("Who won, Ann or Bob?", "Ann beat Bob.", "Bob"),
        ("谁赢了？", "张三", "张三输给了李四。"),
        ("谁写了《西游记》？", "吴承恩", "吴承恩的朋友"),
        ("What share is it?", "5/8", "five sixths"),
        ("Which king was it?", "Henry the Eighth", "Henry the Seventh"),
    ],
)
def test_not_same(question: str, a: str, b: str) -> None:
    assert verdict(question, a, b).same is not True


def test_free_text_is_left_to_others() -> None:
    question = "Why does ice float?"
    one = "Because ice is less dense than liquid water."
    other = "Its density is lower than that of the liquid around it."
    assert verdict(question, one, other) == Verdict(None, "undecided")


@given(st.text(max_size=30), st.text(max_size=30), st.text(max_size=30))
def test_any_text_gets_one_verdict_in_both_orders(question: str, a: str, b: str) -> None:
    verdict(question, a, b)
    assert verdict(question, a, a).same is bool(read(question, a).text)


_NAMES = ("Praha", "Prague", "George W. Bush", "Bush", "the UN", "United Nations", "South Korea")
_VALUES = ("7", "seven", "sieben", "1/2", "one in two", "12/24/1814", "nine o'clock", "Dienstag")
_LISTS = (
    "Ana, Ben",
    "Ben Bell and Ana Fox",
    "First you wash, then you dry.",
    "a-e-o",
    "o, e and a",
)
_FRAMES = (
    "{}",
    "It is {}.",
    "It was the English writer {}.",
    "They are all made of {}.",
    "Not {}.",
)
_QUESTIONS = (
    "Who was it?",
    "Wie viele sind es?",
    "When was it?",
    "Is it so?",
    "How many are there?",
)
_answers = st.builds(
    str.format, st.sampled_from(_FRAMES), st.sampled_from(_NAMES + _VALUES + _LISTS)
)


@given(st.sampled_from(_QUESTIONS), _answers, _answers)
def test_answers_like_real_ones_get_one_verdict_in_both_orders(
    question: str, a: str, b: str
) -> None:
    verdict(question, a, b)
    assert verdict(question, a, a).same is bool(read(question, a).text)
