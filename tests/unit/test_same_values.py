"""Values that are written in different ways: quantities, frequencies, dates, options, formulas."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.base import Verdict
from empo_serve.semantics.equations import numbers
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.formulas import read_formula, same_equation, same_value, same_values
from empo_serve.semantics.frequency import Frequency, parse_frequency
from empo_serve.semantics.lists import list_items
from empo_serve.semantics.multiple_choice import chosen_label
from empo_serve.semantics.numbers import parse_quantity
from empo_serve.semantics.quantities import same_quantity
from empo_serve.semantics.reading import read
from empo_serve.semantics.rules import compare

LONG, MUCH, FAST = "How long does it take?", "How much is it?", "How fast is it?"
OFTEN, WHEN, TALL = "How often is it held?", "When was it?", "How tall is it?"
ORDER = "Renaissance → Baroque → Romanticism"
ORDER_TOLD = "First came the Renaissance, next the Baroque and last Romanticism."
HOURLY = "A bus runs four times an hour. How often does it run?"
BUYER = 'In "Priya sold it to Tomás", who was the buyer?'
MARS = "Which is largest?\nA) Mars\nB) Jupiter\nC) Venus"
EGYPT = "On which continent does Egypt lie? A Asia B Africa C Europe D Oceania"


def verdict(question: str, a: str, b: str) -> Verdict:
    one = compare(read(question, a), read(question, b))
    assert one == compare(read(question, b), read(question, a))
    return one


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        (LONG, "2 hours and 15 minutes", "2h15"),
        (LONG, "135 minutes, that is 2 hours and 15 minutes", "2 hours 15 minutes"),
        (LONG, "2 hours, or 120 minutes", "120 minutes"),
        (LONG, "1:30 h", "an hour and thirty minutes"),
        (LONG, "a fortnight", "two weeks"),
        (LONG, "1 hour 45 minutes", "1:45"),
        (LONG, "one and three quarter hours", "105 min"),
        (LONG, "six years", "from 1939 to 1945"),
        (LONG, "six years, in the 1940s", "6 years"),
        (WHEN, "44 BC", "44 BCE"),
        (WHEN, "at the beginning of the 19th century", "early 19th century"),
        (
            "How long do you boil it?",
            "It depends on its size, but around ten minutes",
            "10 minutes",
        ),
        (WHEN, "1066", "in 1066 AD"),
        ("What time is it?", "8 in the evening", "20:00"),
        ("What time is it?", "20h", "8 pm"),
        ("Which is larger, 3 or 7?", "7", "7 is larger than 3"),
        ("How many live there?", "8.5M", "8.5 million"),
        (LONG, "half a century", "50 years"),
        (TALL, "6 ft 2 in", "6'2\""),
        (MUCH, "nine bucks", "$9"),
        (MUCH, "5 pounds and 50 pence", "£5.50"),
        (MUCH, "20 sq cm", "20 cm²"),
        ("How far is it?", "half a mile", "0.5 miles"),
        (FAST, "an average of 72 kilometres per hour", "20 m/s"),
        (FAST, "Light covers about 3e8 m every second.", "300,000 km/s"),
        ("How hot is it?", "100 degrees Celsius", "373.15 K"),
        ("How hot is it?", "100 °C", "212 °F"),
        ("How cold is it?", "-5 °C", "Five below zero."),
        ("How many eggs are there?", "a pair", "two"),
        ("How many legs does it have?", "4 pairs", "8"),
        ("How many zeros does it have?", "9", "Nine zeros: 1,000,000,000."),
        ("How many are there?", "2.5k", "2500"),
        ("How many are there?", "zero", "There aren't any"),
        ("By what percentage did it grow?", "25%", "It grew by a quarter."),
        ("What fraction is left?", "a third of it", "1/3"),
        ("What is the probability?", "1 in 6", "1/6"),
        (OFTEN, "quadrennially", "Once in 4 yrs"),
        (OFTEN, "every four years", "once every 4 years"),
        (OFTEN, "twice a year", "They take place every six months."),
        (OFTEN, "every other week", "fortnightly"),
        (WHEN, "in the 1890s", "between 1890 and 1899"),
        (WHEN, "19th century", "the 1800s"),
        (WHEN, "on the twentieth of July in 1969", "1969-07-20"),
        ("An welchem Tag war das?", "4. Juli 1776", "July 4, 1776"),
        ("¿En qué fecha?", "el 12 de octubre de 1492", "12 October 1492"),
        ("At what time?", "a quarter past two at night", "2:15"),
        (
            "What day of the week was it?",
            "Saturday",
            "Counting: Sunday, Saturday. It was Saturday.",
        ),
        (MARS, "the second option", "B)"),
        (MARS, "the last one", "Venus"),
        (MARS, "It has the largest mass, so b).", "B"),
        (MARS, "I would go with C", "C"),
        (EGYPT, "B", "Africa"),
        ("True or false: the sun is a star.", "The statement is correct", "True"),
        ("Is the earth flat?", "That's a myth", "No"),
        ("Is it safe to eat?", "It is safe", "Yes"),
        ("Will it float?", "It will sink", "No"),
        ("True or false: it boils.", "T", "True"),
        ("Is it valid? Answer yes or no.", "N", "no"),
        ("Has anyone walked on Mars?", "Not yet", "So far no one has"),
        ("Are bats birds?", "They're mammals, not birds", "No"),
        ("Does 2+2 equal 5?", "2+2 equals 4, not 5", "No"),
        ("Should you drink seawater?", "It is not recommended", "No"),
        ("Is it possible to divide by zero?", "It is impossible", "No"),
        ("Is Paris in France?", "It is located in France", "Yes"),
        ("Name noble gases.", "argon, helium, neon, etc.", "helium, neon, argon"),
        ("What are the ingredients?", "flour, two eggs and milk", "milk, flour, 2 eggs"),
        ("How do plants make food?", "by photosynthesis", "Through photosynthesis"),
        ("What did the boy lose?", "his keys", "The boy lost his keys."),
        ("Solve it.", "all real numbers", r"\mathbb{R}"),
        ("Solve it.", "There is no real solution.", r"\emptyset"),
        ("What is the ratio?", "6:8", "3 to 4"),
        ("What was the score?", "2-1", "2:1"),
        ("Which king?", "Louis XIV", "Louis the Fourteenth"),
        ("Which queen?", "Queen Elizabeth II", "Elizabeth the Second"),
        ("Which war?", "WWII", "the Second World War"),
        ("What colour?", "gray", "grey"),
        (
            "Who painted it?",
            "It was painted by Michelangelo between 1508 and 1512.",
            "Michelangelo",
        ),
        ("Who discovered it?", "Fleming discovered it in 1928 at St Mary's.", "Alexander Fleming"),
        ("In which city is it?", "It stands in Paris", "Paris, France"),
        ("Who invented it?", "Alexander G. Bell", "A. G. Bell"),
        ("Which gas is it?", "carbon dioxide gas", "carbon dioxide"),
        ("Who plays Jack?", "DiCaprio", "Leonardo DiCaprio played Jack opposite Kate Winslet."),
        ("In which city is the Prado?", "Madrid", "It is in the Spanish capital, Madrid."),
        ("Which agency did it?", "NASA", "The National Aeronautics and Space Administration did."),
        ("What's the smallest bone?", "The stirrup bone (stapes), in the ear.", "stapes"),
        ("Which currency is it?", "the złoty", "zloty"),
        ("How many zeros has it?", "1,000,000,000 has nine zeros.", "9"),
        ("How many miles is it?", "Two weeks: 54 miles.", "54"),
        ("How many texts did he send?", "125", "He sent one hundred and twenty-five texts."),
        ("Is Pluto still a planet?", "Pluto is no longer a planet.", "No"),
        ("Are there any?", "There are some.", "Yes"),
        ("Is the Pacific larger than it?", "The Pacific is the larger of the two.", "Yes"),
        (
            "What are the states?",
            "Latvia and Estonia, with the capitals Riga and Tallinn",
            "Estonia, Latvia",
        ),
        ("Which is a reptile? A) frog B) lizard", "The lizard is a reptile, the frog is not.", "B"),
        (
            "What share of the pie is left if you eat a quarter of it?",
            "Three quarters of the pie are left.",
            "0.75",
        ),
        ("What is 18:45 on a 12-hour clock?", "A quarter to seven in the evening", "6:45 PM"),
        ("What is the capital?", "Some think it is Sydney, but it is Canberra.", "Canberra"),
        ("What is the capital?", "I'm sure it's not Canberra, it's Sydney", "Sydney"),
        ("What is it made of?", "centre fibre", "center fiber"),
        (FAST, "50 km/h", "31 mph"),
        (FAST, "60 km/h", "On average it covers exactly one kilometre per minute."),
        (TALL, "330 m", "1,083 feet"),
        (TALL, "1.8 m", "5 feet 11 inches"),
        ("How hot is it?", "38 °C", "100 °F"),
        (MUCH, "2½ cups", "2.5 cups"),
        (LONG, "an hour and three quarters", "105 minutes"),
        ("What is the angle sum of a pentagon?", "3π radians", "540 degrees"),
        ("What is 77 °F in degrees Celsius?", "25", "Subtracting and scaling gives 25 °C."),
        ("How many bits are 2 bytes?", "16", "A byte has eight bits, so two of them have sixteen."),
        ("From when to when was it?", "1914–1918", "It broke out in 1914 and ended in 1918."),
        ("On what date is it?", "December 31", "the last day of the year, the 31st of December"),
        ("Sort 0.5, 1/3 and 0.25.", "0.5, 1/3, 0.25", "In this order: 0.5, 1/3, 0.25"),
        ("Solve it for $x$.", "x = 1 or x = 3", "Thus $x_1 = 1$ and $x_2 = 3$."),
        ("Solve it for $x$.", "3", "It is $(x-3)^2 = 0$, thus $x = 3$ only."),
        ("Name the four bases.", "A, C, G, T", "Adenine, thymine, guanine and cytosine"),
        ("Which two teams played?", "Spain and England", "England vs. Spain"),
        ("Which ones?", "Mercury and Venus", "Only the two innermost ones, Venus and Mercury"),
        (
            "Mix flour and milk, add salt. Which ingredients are needed?",
            "flour, milk and salt",
            "You need salt, milk and flour.",
        ),
        ("Which moon is it?", "Ganymede", "It is Jupiter III, that is, Ganymede, even bigger."),
        ("Which hobbit is it?", "Pippin", "Peregrin Took, better known as Pippin"),
        ("Who is his gardener?", "Sam", "Samwise Gamgee"),
        ("What is the court called?", "SCOTUS", "The Supreme Court of the United States"),
        ("What is the longest river in China?", "Huang He", "The Yellow River"),
        (
            "Which organ is it? 1. liver 2. kidney 3. pancreas",
            "3",
            "The pancreas, in its islet cells.",
        ),
        ("How much is 10 of 50?\nA) 10%\nB) 20%", "B", "10 / 50 = 0.2, that is 20%."),
        ("Qual é o oposto?", "pequeno", "O oposto é a palavra «pequeno»."),
        (
            "日本で一番高い山は何ですか？",
            "富士山です。",
            "標高3776メートルの富士山が一番高いです。",
        ),
        ("日本の首都はどこですか？", "東京です。", "Tokyo"),
        (
            "Türkiye'nin en kalabalık şehri hangisidir?",
            "En kalabalık şehir İstanbul'dur.",
            "İstanbul",
        ),
        ("Qual é a cor do céu num dia sem nuvens?", "Num dia limpo, o céu é azul.", "azul"),
        (WHEN, "1969-07-20", "20 July '69"),
        (
            "In which century was it?",
            "It was in 1564, that is in the sixteenth century.",
            "the 16th",
        ),
        ("What time is it?", "It is behind, so it is seven in the morning there.", "7 a.m."),
        (HOURLY, "Once every quarter of an hour.", "every 15 minutes"),
        ("How many moons does it have?", "Zero", "It has no moons."),
        ("How long is it?", "Multiplying by 1000 gives forty-two thousand metres.", "42,000 m"),
        (FAST, "75 km/h", "150 ÷ 2 = 75, so seventy-five kilometres per hour"),
        (
            "What is the mean of 4, 8 and 9?",
            "7",
            "The three numbers add up to 21, and a third of that is seven.",
        ),
        ("Sort 5, -1, 3 upwards.", "[-1, 3, 5]", "First comes minus one, then three, then five."),
        ("Who is the god of the sea?", "Poseidon", "Poseidon, the brother of Zeus and Hades."),
        (
            "Which disease is it?",
            "Scurvy",
            "It is called scurvy, and sailors used to suffer from it.",
        ),
        ("Which language is his?", "Python", "He designed Python, and released it in 1991."),
        ("Which club is it?", "Liverpool FC", "Anfield is the ground of Liverpool."),
        (
            "Which of the three did it, if none of the three was there?",
            "Nobody",
            "None of them did.",
        ),
        ("Who was taller, Karl or Jana?", "Jana", "Karl was the shorter of the two."),
        (BUYER, "Tomás", "Priya was the seller and Tomas the buyer."),
        (BUYER, "Priya", "Priya paid, so she is the buyer."),
        ("How likely? (A) 1/4 (B) 1/3 (C) 3/4", "C", "Three of four are red, which makes 75%."),
        ("What is 2 to the power of 10?", "One thousand and twenty-four", "1,024"),
        ("What is the mean?", "8", "The mean is the value in the middle, 8."),
        (
            "Solve it.",
            "x \\in \\{-0.5,\\ 2\\}",
            "This gives $x = \\frac{3 \\pm 5}{4}$, that is $2$ and $-\\frac{1}{2}$.",
        ),
        ("Solve it.", "{-4, 1}", "The product is zero when x equals 1 or minus 4."),
        (
            "What is the highest mountain in Africa?",
            "Kilimanjaro",
            "Mount Kilimanjaro, in Tanzania, is the highest mountain in Africa.",
        ),
        ("Who gave thanks?", "The pilot", "It was the pilot who expressed gratitude."),
        ("Who gave thanks?", "The nurse", "The nurse did."),
        ("Who wrote Carmen?", "Georges Bizet", "It is an opera by the Frenchman Bizet."),
        ("Who was the first?", "Marie Curie", "Maria Curie"),
        ("Who came after her?", "John Major", "Sir John Major took over in November 1990."),
        ("Which state was the last?", "Hawaii", "Hawaiʻi, which became the 50th state."),
        ("Which pupil was absent?", "Nobody", "No pupil was absent."),
        ("Is the voice (A) active or (B) passive voice?", "B", "It is passive."),
        ("In che anno fu?", "1946", "Nel 1946, dopo il referendum del 2 giugno."),
        ("한국의 수도는 어디입니까?", "서울", "서울입니다."),
        ("Put them in order: Baroque, Renaissance, Romanticism.", ORDER, ORDER_TOLD),
        (LONG, "105 minutes", "The break lasts an hour and 45 minutes."),
        (WHEN, "0640 hrs", "It is at 6.40 in the morning."),
        (
            "How many are needed?",
            "326",
            "More than half of 650 is at least three hundred and twenty-six.",
        ),
        ("What is the square root of 2?", "1.414", "√2 = 1.41421..., which rounds to 1.414."),
        (
            "Find the eigenvalues.",
            "2, 5",
            "The polynomial factors, so $\\lambda_1 = 5$ and $\\lambda_2 = 2$.",
        ),
        ("Which airline is it?", "Qantas", "Qantas Airways"),
        ("Welk dier blaft?", "de hond", "een hond"),
        ("Who signed it?", "José Ángel Muñoz", "La firma es de Muñoz, José Ángel."),
        ("삼각형의 변은 몇 개입니까?", "3개", "삼각형의 변은 세 개입니다."),
    ],
)
def test_one_value_in_two_ways_is_the_same(question: str, a: str, b: str) -> None:
    assert verdict(question, a, b).same is True


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        (LONG, "2 hours, or 100 minutes", "100 minutes"),  # the two do not agree
        (LONG, "2 hours, or 100 minutes", "2 hours"),
        (OFTEN, "every year", "not every year"),
        (OFTEN, "once a year", "less than once a year"),
        ("Find all solutions of x(x-4) = 0.", "x = 4", "0 and 4"),
        (
            "Which cities hosted in 2012 and 2016?",
            "London hosted it, Rio de Janeiro too.",
            "London",
        ),
        (LONG, "an hour and a half", "an hour and forty minutes"),
        (FAST, "60 miles per hour", "60 km/h"),
        (MUCH, "20 cm²", "20 m²"),
        (WHEN, "44 BC", "44 AD"),
        (WHEN, "early 19th century", "late 19th century"),
        (WHEN, "the early 1960s", "the late 1960s"),
        (WHEN, "5th century BC", "5th century"),
        ("Which is it? A) frog B) lizard", "The frog croaks, the lizard does what is asked.", "A"),
        ("Which country?", "The Republic of the Congo", "Democratic Republic of the Congo"),
        ("Find all solutions.", "x = 4", "0 and 4"),
        ("Can dogs eat it?", "No, it is poisonous.", "No, I can't answer that question."),
        ("Give them in their order.", "alpha, beta, gamma", "alpha, gamma, beta"),
        ("What happens to their number?", "Their number decreases.", "Their number increases."),
        ("Which is smaller, 3 or 7?", "7", "7 is larger than 3"),
        ("How cold is it?", "5 °C", "5 degrees below zero"),
        ("How many pairs of legs does it have?", "4 pairs", "8"),
        ("By what percentage did it grow?", "25%", "It grew by a third."),
        (OFTEN, "twice a year", "every other year"),
        (OFTEN, "every four years", "every fourteen years"),
        (WHEN, "19th century", "the 1900s"),
        (WHEN, "in the 1890s", "between 1880 and 1889"),
        ("¿En qué fecha?", "el 12 de octubre de 1492", "13 October 1492"),
        (MARS, "the second option", "Venus"),
        (EGYPT, "A", "Africa"),
        ("True or false: the sun is a star.", "This is false", "True"),
        ("Will it float?", "It will sink", "Yes"),
        ("Has anyone walked on Mars?", "Somebody has", "No"),
        ("Are bats birds?", "They're birds, not mammals", "No"),
        ("What was the score?", "2-1", "4-2"),
        ("What did the boy lose?", "his keys", "The boy lost his phone."),
        ("Which king?", "Louis XIV", "Louis the Fifteenth"),
        ("Which war?", "WWI", "the Second World War"),
        ("What is the capital?", "Some think it is Sydney, but it is Canberra.", "Sydney"),
        ("In which city is it?", "It stands in Paris", "London, France"),
        (FAST, "50 km/h", "32 mph"),
        (TALL, "5 km", "3 miles"),  # of one digit alone nothing is known
        ("How hot is it?", "38 °C", "101 °F"),
        (LONG, "95 minutes", "1.6 hours"),
        (MUCH, "2,499 g", "2.5 kg"),
        ("Solve it for $x$.", "Thus $x_1 = 1$ and $x_2 = 3$.", "Thus $x = 3$ only."),
        ("Name the four bases.", "A, C, G, U", "Adenine, thymine, guanine and cytosine"),
        ("What are the colours, starting at the pole?", "blue, white, red", "red, white, blue"),
        ("Who is his gardener?", "Sam", "Peregrin Took"),
        (
            "What happens to the gas when it is heated?",
            "The pressure goes up while the volume stays the same.",
            "The volume goes up while the pressure stays the same.",
        ),
        (WHEN, "1968-07-20", "20 July '69"),
        (
            "Who is the god of the sea?",
            "Poseidon, the brother of Zeus and Hades.",
            "Hades, the brother of Zeus and Poseidon.",
        ),
        ("Who was taller, Karl or Jana?", "Karl", "Karl was the shorter of the two."),
        (BUYER, "Priya", "Priya was the seller and Tomas the buyer."),
        (
            "What time is it in New York?",
            "7 a.m., because New York is five hours behind.",
            "5 p.m., because New York is five hours ahead.",
        ),
        (
            "Är Stockholm större än Göteborg?",
            "Stockholm är den större av de två.",
            "Stockholm är den mindre av de två.",
        ),
        ("What is 2 to the power of 10?", "2^10 = 2048", "2^10 = 1024"),
        ("What is 2 to the power of 10?", "1,024", "1, 24"),
        ("Who gave thanks?", "The nurse", "It was the pilot who expressed gratitude."),
        ("Who signed it?", "José Luis Muñoz", "La firma es de Muñoz, José Ángel."),
        ("Who was the first?", "Marie Curie", "Pierre Curie"),
        ("Which pupil was absent?", "Nobody", "No pupil but Ana was absent."),
        (LONG, "The break lasts 45 minutes.", "The break lasts an hour and 45 minutes."),
        (
            "List the layers from the outside to the inside.",
            "crust, mantle, outer core, inner core",
            "crust, mantle, inner core, outer core",
        ),
        (
            "In which direction does heat flow when a cold hand holds a hot cup?",
            "The cup cools down and warms the hand.",
            "The hand cools down and warms the cup.",
        ),
    ],
)
def test_other_values_are_not_the_same(question: str, a: str, b: str) -> None:
    assert verdict(question, a, b).same is not True


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("$2x+y=3$", "-2x+3", True),
        ("$4x+2y=6$", "2x+y=3", True),
        ("$x - 2y + 2 = 0$", r"\frac{1}{2}x + 1", True),
        ("$2x-y=3$", "-2x+3", None),
        ("$x=3$", "$y=3$", None),
        ("3", "4", None),
    ],
)
def test_an_equation_may_be_multiplied_and_turned_around(a: str, b: str, same: bool | None) -> None:
    assert same_equation(a, b) is same
    assert same_equation(b, a) is same


def test_several_formulas_are_compared_one_by_one() -> None:
    circle, other, swapped = (
        tuple(read_formula(f) for f in formulas)
        for formulas in (("(-2,3)", "4"), ("(2,-3)", "4"), ("4", "(-2,3)"))
    )
    assert same_values(circle, circle) is True
    assert same_values(circle, other) is False
    assert same_values(circle, swapped) is None  # which is which is in the words


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("0.333...", r"\frac13", True),
        (r"0.1\overline{6}", r"\frac16", True),
        ("0.333", r"\frac13", False),
        (r"30^\circ", r"\frac{\pi}{6}", True),
        (r"30^\circ", "30", None),  # may be degrees as well
        ("x^2 + C", "x^2 + c", True),
        ("3x^2", "3x²", True),
        ("3x^2", "3x³", False),
        ("10^{-3}", "10⁻³", True),
        (r"3\mathbf{i} - \mathbf{j} + 5\mathbf{k}", r"\langle 3,-1,5\rangle", True),
        (r"3\mathbf{i} - \mathbf{j}", r"\langle -1,3\rangle", False),
        (r"\begin{pmatrix} 3 \\ -1 \end{pmatrix}", "(3,-1)", True),
        ("x^2 + C", "x^2", False),
    ],
)
def test_numbers_that_are_written_in_other_ways(a: str, b: str, same: bool | None) -> None:
    assert same_value(read_formula(a), read_formula(b)) is same
    assert same_value(read_formula(b), read_formula(a)) is same


def test_an_option_that_is_named_and_then_denied_is_not_chosen() -> None:
    offered = {"A": "frog", "B": "newt"}
    assert chosen_label("It may look like a frog, but not a frog, a newt is meant.", offered) == "B"
    assert chosen_label("The frog croaks, the newt does not.", offered) == "A"
    assert chosen_label("A frog is green, a newt is brown.", offered) == ""


def test_an_equation_of_several_letters_is_an_answer_as_a_whole() -> None:
    asked = "Find an equation of the line."
    assert extract_answer(asked + " (0,1)", "$2x - y + 1 = 0$") == "2x - y + 1 = 0"
    assert extract_answer(asked, "$2x + y = 3$") == "2x + y = 3"
    assert extract_answer("What is 12*12?", "12*12 = 144") == "144"
    assert extract_answer("What is 2 to the power of 10?", "2^10 = 1024") == "1024"


def test_a_conclusion_in_the_middle_of_a_sentence_is_the_answer() -> None:
    asked = "What are the prime factors of 90?"
    said = "90 = 2 · 3² · 5, and so the list is {5, 3, 2}."
    assert extract_answer(asked, said) == "{5, 3, 2}"


_PERIODS = {"day": 1, "week": 7, "fortnight": 14}


@given(st.integers(1, 12), st.integers(1, 12), st.sampled_from(sorted(_PERIODS)))
def test_a_frequency_is_times_over_days(times: int, every: int, period: str) -> None:
    read_ = parse_frequency(OFTEN, f"{times} times every {every} {period}s")
    assert read_ == Frequency(Fraction(times, every * _PERIODS[period] * 86_400), "time")


@given(st.integers(0, 5000), st.sampled_from(["m", "km", "mile", "foot", "yard", "inch"]))
def test_a_quantity_is_the_same_as_itself_in_metres(value: int, unit: str) -> None:
    quantity = parse_quantity(f"{value} {unit}")
    assert quantity is not None
    factors = {"m": "1", "km": "1000", "mile": "1609.344", "foot": "0.3048", "yard": "0.9144"}
    metres = value * Fraction(factors.get(unit, "0.0254"))
    in_metres = parse_quantity(f"{float(metres)!r} m")
    assert in_metres is not None
    if in_metres.value == metres:  # else it has too many decimals
        assert same_quantity(quantity, in_metres, "How far is it?")


def test_one_number_is_no_list_of_several() -> None:
    assert numbers("1,024") == ()
    assert list_items("One thousand and twenty-four") == ()
    assert list_items("one, two and three") == ("1", "2", "3")
