"""Answers as people and models write them: in sentences, with asides, shortened, spelt otherwise.

Decided by rules alone, in both orders.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from empo_serve.config import SemanticsSection
from empo_serve.semantics.extract import extract_answer
from empo_serve.semantics.normalize import looks_like_math
from empo_serve.semantics.questions import is_yes_no
from empo_serve.semantics.rules import RulesEquivalence


@pytest.fixture(scope="module")
def rules() -> Iterator[RulesEquivalence]:
    rules = RulesEquivalence(SemanticsSection())
    yield rules
    rules.close()


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        ("Write 0.00042 in scientific notation.", "4.2e-4", "4.2 × 10⁻⁴"),
        ("How many bytes are there in one kibibyte?", "1024", "2^10 bytes"),
        ("How many bytes are there in one kibibyte?", "1024", "2^10 of them"),
        (
            "What fraction of a week is the weekend (Saturday and Sunday)?",
            "two sevenths, or roughly 28.6%",
            "2/7",
        ),
        (
            "A deposit of €200 earns €6 of interest in a year. What is the annual interest rate?",
            "3%",
            "6 / 200 = 0.03, that is, three per cent",
        ),
        (
            "The annual report gives revenue of $2.4bn. How much is that?",
            "The revenue came to 2.4 billion USD.",
            "2,400 million dollars",
        ),
        (
            "What's the BMI of a person of 81 kg who is 1.80 m tall?",
            "81 / 1.8² = 81 / 3.24 = 25.0 kg/m²",
            "25",
        ),
        (
            "In what year was Julius Caesar assassinated?",
            "On the Ides of March, 44 B.C.E.",
            "44 BC",
        ),
        (
            "On what day does Thanksgiving fall in the United States?",
            "It's held on the fourth Thursday in November.",
            "4th Thu of Nov",
        ),
        (
            "It leaves London at 13:00 and takes 7 hours. What time is it in New York then?",
            "13:00 + 7 h = 20:00 in London, minus 5 h gives 15:00.",
            "3 p.m. local time",
        ),
        (
            "In which century did the year 1745 fall?",
            "The eighteenth century, i.e. the 1700s",
            "18th c.",
        ),
        (
            "In which decade did Apple bring out the first iPhone?",
            "In 2007, so in the noughties.",
            "the 2000s",
        ),
        (
            "When was the US Declaration of Independence adopted?",
            "on the fourth of July in the year seventeen seventy-six",
            "July 4, 1776",
        ),
        ("In what year did people first set foot on the Moon?", "1968", "It happened in '68."),
        (
            "Convert $150^\\circ$ to radians.",
            "\\frac{5\\pi}{6}",
            "$150\\cdot\\frac{\\pi}{180} = 5\\pi/6$ rad",
        ),
        (
            "Which letter comes after Q in the English alphabet?",
            "R",
            "Hmm, let me think... O, P, Q, R. So it's R!",
        ),
        (
            'What does the Japanese word "arigatō" mean?',
            "Thank you",
            'Forgive my pronunciation! It means "thank you".',
        ),
        (
            'The rule ends with the words "without any exception". Which exceptions does it allow?',
            "None; it applies to everybody.",
            "There aren't any.",
        ),
        (
            "What body of water separates England from northern France?",
            "the English Channel",
            "La Manche, as the French call it",
        ),
        (
            "Who was the first woman to receive a Nobel Prize?",
            "Maria Skłodowska-Curie, in physics (1903)",
            "Marie Curie",
        ),
        (
            "Which programming language was created by Guido van Rossum?",
            "python",
            "He's the man behind Python, and yes, it is named after the comedy troupe.",
        ),
        ("What is the highest mountain in Africa?", "Mt. Kilimanjaro, Tanzania", "Kilimanjaro"),
        (
            "Which boxer fought George Foreman in the Rumble in the Jungle?",
            "The man born as Cassius Clay: Ali.",
            "Muhammad Ali",
        ),
        (
            "Which disease is caused by the bacterium discovered by Robert Koch in 1882?",
            "TB",
            "Tuberculosis, known in the old days as consumption.",
        ),
        (
            "Which language did Guido van Rossum create?",
            "Python",
            "Van Rossum is the creator of the language Python, named after Monty Python.",
        ),
        (
            "Which company brought out the Game Boy?",
            "Nintendo Co., Ltd.",
            "That was Nintendo, the games firm from Kyoto.",
        ),
        (
            'Whose Ninth Symphony ends with the "Ode to Joy"?',
            "Ludwig van Beethoven's",
            "Beethoven composed it, when he was already deaf.",
        ),
        ("Who plays their home games at Old Trafford?", "Man Utd", "Manchester United F.C."),
        (
            "Which spice comes from crocus flowers?",
            "saffron",
            "You get saffron from it: the dried red stigmas of Crocus sativus.",
        ),
        ("Which river runs through Baghdad?", "The Tigris", "Dijlah, to use its Arabic name"),
        (
            "Apa mata uang Indonesia?",
            "Orang Indonesia membayar dengan rupiah (kode: IDR).",
            "Rupiah",
        ),
        ("Яка річка протікає через Київ?", "Дніпро", "Київ стоїть на Дніпрі."),
        ("Кто написал роман «Война и мир»?", "Автор романа — граф Л. Н. Толстой.", "Лев Толстой"),
        (
            "Who introduced the movable-type printing press in Europe? (French or English)",
            "Johannes Gutenberg",
            "C'est Gutenberg qui l'a mise au point, à Mayence.",
        ),
        ("Welke kleur heeft gras?", "Gras is meestal groen van kleur.", "Groen"),
        ("대한민국의 수도는 어디입니까?", "대한민국의 수도는 서울특별시입니다.", "서울"),
        ("Which US states begin with the letter O?", "OH, OK and OR", "Ohio, Oklahoma, Oregon"),
        (
            "Sort the numbers 3, 1, 2 in descending order.",
            "First comes 3, after it 2, and 1 is last.",
            "3 > 2 > 1",
        ),
        (
            "Which of the files a.txt, b.csv, c.txt, d.csv match *.csv?",
            "Two files match: d.csv as well as b.csv.",
            "['b.csv', 'd.csv']",
        ),
        (
            'It reads: "The tenant shall not sublet." Does the contract allow subletting?',
            "It forbids it.",
            "No",
        ),
        (
            "Can dogs safely eat chocolate?",
            "Keep it well away from them, since the theobromine in it is poisonous to dogs.",
            "No",
        ),
        (
            "Can someone be elected US president three times?",
            "no",
            "The 22nd Amendment rules that out.",
        ),
        (
            "Would it be wrong to say that lead is denser than aluminium?",
            "Saying so is perfectly correct.",
            "No, it would not be wrong.",
        ),
        ("What is the fear of spiders called?", "Its called arachnaphobia.", "arachnophobia"),
        ("What is the mean of 3, 4 and 8?", "5", "(3+4+8)/3 = 15/3, so 5"),
        ("Find all real solutions of x^2 - 5x = 0.", "x = 0 or x = 5", "{5, 0}"),
        (
            "What is the capital of Norway?",
            "I'm fairly sure, though not certain, that it is Oslo.",
            "Oslo",
        ),
        (
            "What is the chemical symbol of sodium?",
            "Sorry, I mixed it up with potassium at first. The symbol is Na.",
            "Na",
        ),
        (
            "In which year did the Soviet Union cease to exist?",
            "It was dissolved on 26 December 1991.",
            "1991",
        ),
        ("Answer in German: is a spider an insect?", "Nein.", "Nein, Spinnen sind keine Insekten."),
        (
            "Did Germany win the men's football World Cup in 2014?",
            "Argentina lost the final to Germany, so yes.",
            "Yes",
        ),
        (
            "Which odd numbers are between 4 and 12?",
            "Five, seven, nine and eleven lie in that range.",
            "{5, 7, 9, 11}",
        ),
        (
            "who were the members of the beatles from 1963 to 1970",
            "John Lennon, Paul McCartney, George Harrison and Ringo Starr",
            "Harrison, Lennon, McCartney and Starr were the four.",
        ),
        (
            "List the first three US presidents in order.",
            "Washington, Adams, Jefferson",
            "George Washington came first, then John Adams, followed by Thomas Jefferson.",
        ),
        (
            "Who was the father of Queen Elizabeth II?",
            "Her father was George the Sixth, who was Duke of York before he became king.",
            "King George VI",
        ),
        (
            "Which gas do plants take in? (a) oxygen (b) nitrogen (c) carbon dioxide",
            "c",
            "CO2",
        ),
        (
            "Two friends share a bill of 37 pounds equally. How much does each of them pay?",
            "37 ÷ 2 = 18.5, so each pays eighteen pounds fifty.",
            "£18.50",
        ),
        (
            "What is the probability of rolling a six with one fair die?",
            "There are six equally likely faces, so the chance is one in six.",
            "1/6",
        ),
        (
            "Which company developed the Windows operating system?",
            "Microsoft Corporation",
            "Windows comes from the firm that Bill Gates co-founded, Microsoft.",
        ),
        ("Select all vowels: A. a B. k C. e D. t", "A, C", "C and A"),
        (
            "Which hobbies does she name?",
            "running, swimming and cycling",
            "swimming, cycling, running",
        ),
    ],
)
def test_one_answer_in_two_ways_is_the_same(
    rules: RulesEquivalence, question: str, a: str, b: str
) -> None:
    assert [v.same for v in rules.same(question, [(a, b), (b, a)])] == [True, True]


@pytest.mark.parametrize(
    ("question", "a", "b"),
    [
        ("In which century did Aristotle live?", "the 4th century AD", "the 4th century BC"),
        ("Write 0.00042 in scientific notation.", "4.2e-4", "4.2 × 10⁻³"),
        ("How many bytes are there in one kibibyte?", "1000", "2^10 bytes"),
        ("In what year was Julius Caesar assassinated?", "44 AD", "44 BC"),
        (
            "On what day does Thanksgiving fall in the United States?",
            "It's held on the fourth Thursday in November.",
            "the third Thursday in November",
        ),
        (
            "It leaves London at 13:00 and takes 7 hours. What time is it in New York then?",
            "13:00 + 7 h = 20:00 in London, minus 5 h gives 15:00.",
            "8 p.m.",
        ),
        ("In which century did the year 1745 fall?", "17th c.", "18th c."),
        (
            "In which decade did Apple bring out the first iPhone?",
            "In 2007, so in the noughties.",
            "the 2010s",
        ),
        ("In what year did people first set foot on the Moon?", "1969", "It happened in '68."),
        ("Who plays their home games at Old Trafford?", "Man City", "Manchester United F.C."),
        ("Яка річка протікає через Київ?", "Дніпро", "Київ стоїть на Дністрі."),
        ("Кто написал роман «Война и мир»?", "Автор романа — А. К. Толстой.", "Лев Толстой"),
        ("Which US states begin with the letter O?", "OH, OK and WA", "Ohio, Oklahoma, Oregon"),
        (
            "List the rainbow's colours from the outer edge of the arc inwards.",
            "red, orange, yellow, green, blue, indigo, violet",
            "violet, indigo, blue, green, yellow, orange, red",
        ),
        (
            "Sort the numbers 3, 1, 2 in descending order.",
            "First comes 1, after it 2, and 3 is last.",
            "3 > 2 > 1",
        ),
        ("Which organ produces insulin?", "The liver", "The pancreas, which sits behind the liver"),
        (
            "In which year did the Soviet Union cease to exist?",
            "It was dissolved on 26 December 1991.",
            "1990",
        ),
        (
            "Who was the father of Queen Elizabeth II?",
            "Her father was Edward the Eighth.",
            "King George VI",
        ),
        (
            "who killed hector in the iliad",
            "Achilles, avenging Patroclus.",
            "Patroclus, avenging Achilles.",
        ),
        (
            "List the colours of the rainbow from the outside in, first three only.",
            "Yellow, orange, red",
            "red, orange, yellow",
        ),
        (
            "The pool is open Tuesday to Sunday. On which days is it closed?",
            "Mondays",
            "Mondays and Tuesdays",
        ),
        ("Select all vowels: A. a B. k C. e D. t", "A, C", "Only A"),
        ("What do you put on the table?", "salt", "salt and pepper"),
        # Two names, one of which is a word.
        ("Who is the economist?", "Friedman", "Freedman"),
        ("What does the surface do with the gas?", "adsorption", "absorption"),
        ("Which hobby does she name?", "running", "running and swimming"),
    ],
)
def test_other_answers_are_not_the_same(
    rules: RulesEquivalence, question: str, a: str, b: str
) -> None:
    assert not any(v.same for v in rules.same(question, [(a, b), (b, a)]))


@pytest.mark.parametrize(
    ("question", "answer", "chosen"),
    [
        ("Select all vowels: A. a B. k C. e D. t", "A, C", "A, C"),
        ("Select all vowels: A. a B. k C. e D. t", "Only A", "A"),
        ("Select all vowels: A. a B. k C. e D. t", "A and C", "A, C"),
        ("Select all vowels: A. a B. k C. e D. t", "a, e", "A, C"),
        ("Select all vowels: A. a B. k C. e D. t", "A, C, not B", "A, C"),
        ("Select all even numbers. A. 3 B. 4 C. 7 D. 8", "B and D", "B, D"),
        ("Select all even numbers. A. 3 B. 4 C. 7 D. 8", "4, 8", "B, D"),
        ('What is the past tense of "go"? A. goed B. gone C. went', "C", "C"),
        (
            'What is the past tense of "go"? A. goed B. gone C. went',
            "A is not a word and B is the participle, which leaves C.",
            "C",
        ),
        ("Which is largest? (a) 0.5 (b) 3/4 (c) 2/3", "Three quarters is the largest.", "B"),
        ("Which is largest? (a) 0.5 (b) 3/4 (c) 2/3", "(b)", "B"),
        ("Which is largest? (a) 0.5 (b) 3/4 (c) 2/3", "75%", "B"),
        (
            "Which of these are renewable? A. solar B. wind C. hydro D. all of the above",
            "All of them are.",
            "D",
        ),
        ("Which of these are renewable? A. solar B. wind C. hydro D. all of the above", "D", "D"),
        ("Which of these are renewable? A. solar B. wind C. hydro D. all of the above", "A", "A"),
        (
            "Which of these are renewable? A. solar B. wind C. hydro D. all of the above",
            "solar",
            "A",
        ),
        ("What is the square root of 144? A) 12 B) 14 C) 24 D) 72", "A", "A"),
        (
            "What is the square root of 144? A) 12 B) 14 C) 24 D) 72",
            "It can't be A, B or D. So C.",
            "C",
        ),
        ("What is the square root of 144? A) 12 B) 14 C) 24 D) 72", "I think it's A.", "A"),
        ("What is the square root of 144? A) 12 B) 14 C) 24 D) 72", "12", "A"),
        (
            "Cairo lies on which continent? [A] Asia [B] Africa [C] Europe",
            "Africa. Part of Egypt is in Asia, but Cairo isn't, so [A] is wrong.",
            "B",
        ),
        ("Cairo lies on which continent? [A] Asia [B] Africa [C] Europe", "B", "B"),
        ("Cairo lies on which continent? [A] Asia [B] Africa [C] Europe", "[B]", "B"),
        ("Where does the Sun rise? A: north B: east C: south D: west", "Answer: B: east", "B"),
        (
            "Where does the Sun rise? A: north B: east C: south D: west",
            "I'd pick the second option.",
            "B",
        ),
        ("Which is a noble gas? (i) chlorine (ii) neon (iii) sodium", "ii", "ii"),
        (
            "Which is a noble gas? (i) chlorine (ii) neon (iii) sodium",
            "Of the three, only neon is one.",
            "ii",
        ),
        ("Which is a noble gas? (i) chlorine (ii) neon (iii) sodium", "(iii)", "iii"),
        ("Which is a noble gas? (i) chlorine (ii) neon (iii) sodium", "i", "i"),
        ('Choose the past tense of "bring": (i) bringed (ii) brought (iii) brung', "ii", "ii"),
        (
            'Choose the past tense of "bring": (i) bringed (ii) brought (iii) brung',
            'the second option, "brought"',
            "ii",
        ),
        ("Who discovered penicillin? [1] Pasteur [2] Fleming [3] Jenner", "Choice [2]", "2"),
        (
            "Who discovered penicillin? [1] Pasteur [2] Fleming [3] Jenner",
            "Alexander Fleming, in 1928",
            "2",
        ),
        ("Which is the larger fraction? (A) 1/4 (B) 3/4 (C) 2/3", "It is C and not B.", "C"),
        ("Which is the larger fraction? (A) 1/4 (B) 3/4 (C) 2/3", "It is B and not C.", "B"),
        ("Which is the larger fraction? (B) 3/4 (C) 2/3", "It is C and not B.", "C"),
        ("Which is the larger fraction? (B) 3/4 (C) 2/3", "It is B and not C.", "B"),
        (
            "Select all fruits that are citrus: A. lime B. banana C. grapefruit D. plum",
            "A and C",
            "A, C",
        ),
        (
            "Select all fruits that are citrus: A. lime B. banana C. grapefruit D. plum",
            "Lime and grapefruit are the citrus fruits here.",
            "A, C",
        ),
        ("Select all fruits that are citrus: A. lime B. banana C. grapefruit D. plum", "C", "C"),
        (
            "A contract signed under threat is: A. voidable for duress B. binding C. better",
            "B and C can't be right because consent wasn't free. That leaves A.",
            "A",
        ),
        (
            "A contract signed under threat is: A. voidable for duress B. binding C. better",
            "A. voidable for duress",
            "A",
        ),
        (
            "Which of these are gases? A: helium B: neon C: argon D: all of these",
            "(D)",
            "D",
        ),
        (
            "Which of these are gases? A: helium B: neon C: argon D: all of these",
            "Helium, neon and argon: all three of them.",
            "D",
        ),
        (
            "Which is in Canada? (A) Boston (B) Leeds (C) Perth, WA (D) none of them",
            "None of them is in Canada.",
            "D",
        ),
        (
            "Which is in Canada? (A) Boston (B) Leeds (C) Perth, WA (D) none of them",
            "D",
            "D",
        ),
        ("Select all citrus fruits: A. lime B. banana C. plum", "A banana and a plum", "B, C"),
        ("Is it deeper than the Atlantic on average?", "On average it's the deeper one.", "Yes"),
        ("Isn't Toronto the largest city in Canada?", "It is indeed.", "Yes"),
        ("Isn't Madrid on the coast?", "It is not.", "No"),
        ("Isn't Madrid on the coast?", "It is on the coast.", "Yes"),
        ("Can you see the Wall from the Moon?", "You can indeed see it from there.", "Yes"),
        ("Can you see the Wall from the Moon?", "Contrary to popular belief, no.", "No"),
    ],
)
def test_a_choice_is_made_by_label_place_text_value_or_elimination(
    question: str, answer: str, chosen: str
) -> None:
    assert extract_answer(question, answer) == chosen


def test_a_request_is_no_question_for_yes_or_no() -> None:
    assert is_yes_no("Can you see the Wall from the Moon?")
    assert is_yes_no("Is St. Paul's older than St. Peter's?")
    assert is_yes_no('It reads: "No pets." Are dogs allowed?')
    assert not is_yes_no("Can you name a mammal that flies?")
    assert not is_yes_no("Could you please tell me the capital of Peru?")


def test_a_list_that_is_never_closed_is_looked_at_once() -> None:
    """Once from each of its commas would take an hour."""
    assert not looks_like_math("['a'," * 200_000)
