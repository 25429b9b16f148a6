"""The answer in free text without any marker: which sentence, and which part of it."""

from __future__ import annotations

import re
from itertools import islice

from empo_serve.semantics.aliases import is_calendar_name
from empo_serve.semantics.conclusions import concluded, final_value
from empo_serve.semantics.echo import (
    asked_stems,
    is_echo,
    is_known,
    is_picked,
    new_words,
    points_back,
    without_echo,
)
from empo_serve.semantics.equations import (
    EQUATION,
    balanced,
    is_formula,
    is_implicit,
    solutions,
    value,
)
from empo_serve.semantics.lists import list_items
from empo_serve.semantics.names import NEVER_NAMES
from empo_serve.semantics.numbers import parse_quantity
from empo_serve.semantics.numerals import foreign_number
from empo_serve.semantics.questions import fold_word, is_open, is_yes_no, options, words
from empo_serve.semantics.roles import named_role, other_of_two
from empo_serve.semantics.sentences import is_unfinished, split_sentences
from empo_serve.semantics.speaker import after_hedge, is_about_speaker, is_chatter, is_refusal
from empo_serve.semantics.yes_no import polarity

_EMPHASIS = re.compile(r"\*\*([^*\n]{1,80}?)\*\*|`([^`\n]{1,80})`")
_QUOTED = re.compile(r"«\s?([^«»\n]{1,40}?)\s?»|„([^„“”\n]{1,40})[“”]")
_COPULA = re.compile(
    r"\s(?:is|are|was|were|equals|=|stands for"
    r"|(?:would|will|should|must|could|might|may|has to|ought to) be"
    r"|ist|sind|war|est|sont|es|son|è|é)\s+"
    r"|(?<=\w)['’]s\s+(?=\w+$)|是",
    re.I,
)
_PARTICIPLE = re.compile(
    r"^(?:what (?:we|people|one|they) calls? )?(?:an? (?:\w+ ){1,4}(?=named |called ))?"
    r"(?:also |often |commonly |originally |usually )?"
    r"(?:(?:called|named|known as|equal to|spelled|given by|considered|located in)\s+"
    r"|(?:\w+\s+by|(\w+)\s+(?:in|on|at|from|to|as|for))\s+)",
    re.I,
)
# "Counting from March, the third one is May"
_ADJUNCT = re.compile(
    r"(?P<adjunct>(?:(?P<frame>\w+ing|among|of)|in|on|at|by|with|from|for|as|if|after|before)\b[^,.]*),\s+"
    r"(?=(?:the|it|this|that|there|he|she|they|you|we|one|i)\b)",
    re.I,
)
# "The fox, who had seen it, is the one that ..."
# "Num dia limpo, o céu é azul"
_PLACED = re.compile(
    r"(?:in|on|at|by|for|from|during|under|after|with|num|numa|no|na|em|bei|an|am|im|auf|par|en"
    r"|dans|au|con|nel|nella) [^,]+, [^,]+$",
    re.I,
)
_RELATIVE = re.compile(
    r",\s+(?:who|which|whose|where|in|near|of|from|between)\b[^,]*,(?=\s+(?:is|are|was|were)\b)",
    re.I,
)
_APPOSITION = re.compile(
    r",?\s+even (?:though|if)\b|,\s+(?:which|who|whose|where|when|because|since|as"
    r"|so|with|a|an|the|located|known|based|situated|though"
    r"|although|but|not|even|from|it|they|he|she|after|before|while|also (?:known|called)|capital"
    r"|one of|at|as (?:the )?\w+ (?:call|say|know|put|write)s?|to (?:use|give) (?:its|his|her|the)"
    r"|(?:\w+(?:ed|en)|fought|built|held|born|made|shot) (?:in|on|at|by|to|from|as|near)"
    r"|due|thanks|for|and (?:its?|is|has)"
    r"|dopo|después|tras|après|nach|depois|secondo|según|selon|laut)\b"
    r"|\s+(?:because|since|although|though|due to)\s|;\s|(?<=\w{3})\s+[–—-]\s+(?=[A-Za-z]{2})",
    re.I,
)
# "Canberra, home of the parliament", but not "Paris, Lyon and Nice"
_DESCRIPTION = re.compile(
    r"(?P<name>[A-Z]\w+(?: [A-Z]\w+){0,3}), (?!.*(?:,|\b(?:and|or|y|et"
    r"|und)\b))[a-z]\w*(?: \S+){2,}$"
)
# "scurvy, and sailors used to suffer from it"
_AND_CLAUSE = re.compile(r"(?P<name>[^,]{2,40}), and (?:\w{2,}ed\b|(?:\S+ ){3})(?!.*,)")
# "Poseidon, the brother of Zeus and Hades" is no list of three.
_RELATED = re.compile(
    r"(?P<name>[A-Z][\w'’-]*(?: [A-Z][\w'’-]*){0,2}), (?:the|an?|his|her) [a-z]+ (?:of|to|and)\b"
)
_WHEN = frozenset(words("when year years date day decade century long old"))
# "... by Michelangelo between 1508 and 1512", "... in 1928 at the age of 25"
_YEARS = re.compile(
    r"(?<=\w),?\s+(?:(?:around |about )?in \d{4}(?:\s+(?:at|in|on)\s[^,.]{1,40})?"
    r"|(?:between|from) \d{4} (?:and|to) \d{4})$"
)
_ERA = r"(?: (?:BCE?|CE|AD)\b| (?:B\.C\.(?:E\.)?|C\.E\.|A\.D\.))?"
_PERIOD_QUESTION = re.compile(r"\b(?:which|what) (century|decade|millennium)\b", re.I)
_NUMBER_QUESTION = re.compile(
    r"\bhow (?:many|much|far|long|old|tall|high|fast|big|heavy|wide|deep)\b|\bcalculate\b"
    r"|\bcompute\b|\bwhat is \W*\d"
    r"|\b(?:mean|median|area|volume|perimeter|probability|value)\b"
    r"|\b(?:price|sum|product|total|average|number of|percent|cost|profit|remaining|difference)\b",
    re.I,
)
_MAX_STATEMENT = 4  # sentences
_MIN_STATEMENT = 4  # words
_WHO = re.compile(
    r"\b(?i:who|whom|which of|which one|wer|qui|qui[eé]n)\b"
    r"(?!['’]?s?(?: is| was| are| were)? [A-Z])"
)
_DOER = re.compile(r"(?P<who>[A-Z][\w.'’-]+(?: [A-Z][\w.'’-]+){0,3}) (?P<verb>[a-z]+)\b")
_FINAL_NAME = re.compile(
    r"\bthe (?:[A-Z]?\w+ ){0,5}[a-z-]+, (?P<name>[A-Z][\w'’-]+(?: [A-Z][\w'’-]+){0,2})$"
)
# "The man born as Cassius Clay: Ali"
_NAMED = re.compile(
    r"(?:[Tt]he|[Aa]n?) [^:,;]{8,80}: (?P<name>[A-Z][\w'’-]*(?: [A-Z][\w'’-]*){0,2})"
)
_COMPARED = re.compile(
    r"(?P<one>\S+(?: \w+)?) (?:is|are|was|were) (?:(?:more|less) )?(?P<how>\w+) than [^,]+", re.I
)
# "It was the pilot who thanked", "the pilot did"
_CLEFT = re.compile(
    r"(?:it|that) (?:is|was|were|are) (?P<it>[^,]+?) (?:who|that) "
    r"|c['’](?:est|était) (?P<ce>[^,]+?) qui "
    r"|(?P<who>[^,]+) (?:did|does|do|was|is)(?: (?:so|it|that))?\W*$",
    re.I,
)
_SURNAME_FIRST = re.compile(
    r"^(?P<before>(?:[^,A-ZÀ-Þ]|\b[A-ZÀ-Þ]\w+ (?=[a-z]))*)"
    r"(?P<surname>[A-ZÀ-Þ][\w'’-]+), (?P<first>[A-ZÀ-Þ][\w'’-]+(?: [A-ZÀ-Þ][\w.]*)?)$"
)
_MEANING_QUESTION = re.compile(r"\b(?:mean|say|translat\w+|phrase|greeting|word)\b", re.I)
_TOPIC = re.compile(r"(?P<topic>[가-힣 ]{1,30})[은는이가] (?=\S+$)")
_POLITE = re.compile(r"(?:입니다|이에요|예요)[.。]?$")
_POINTED = re.compile(
    r"(?:the|that|those) (?P<only>only )?(?:one|ones|person|people|\w+ (?:who|that|which))\b", re.I
)
_LABELLED = re.compile(r"\W*\(?[A-J][).:]\s")
_IMPOSSIBLE = re.compile(
    r"(?:no, )?(?:that|this|it)(?: is|['’]s) (?:impossible|not possible)\W*", re.I
)
_ONLY = re.compile(r"\s+(?:only|alone|as well|too)$")
_MAX_COPULAS = 20  # a sentence with more of them is none
_MAX_ECHO = 14  # words
_CONTRACTED = re.compile(r"^(it|that|this|he|she|they|these|those)['’](?:s|re)\s+", re.I)
_EITHER = re.compile(r"(?P<one>.+?)\s+(?:or|oder|ou|o)\s+(?P<other>.+)")


def answer_in_prose(question: str, text: str) -> str:
    """The part of `text` that answers, or "" when every sentence refuses, chats or breaks off."""
    if is_yes_no(question):
        # "It is impossible" refuses no question about what is possible.
        is_answer = bool(re.search(r"\bpossible\b", question, re.I))
        sentences = [
            s
            for s in split_sentences(text)
            if is_answer or _IMPOSSIBLE.fullmatch(s) or not is_refusal(s)
        ]
        said = [polarity(question, s) for s in sentences]
        if any(said_yes is not None for said_yes in said):
            return "Yes" if next(s for s in said if s is not None) else "No"
    emphasis: list[str] = [a or b for a, b in _EMPHASIS.findall(text)]
    sentences = split_sentences(text)
    if len(sentences) == 1 and is_chatter(text) and _MEANING_QUESTION.search(question):
        return text.strip(" .!")  # "Thank you" may be what a word means
    sentences = [s for s in sentences if not is_chatter(s) or after_hedge(s) != s]
    kept: list[str] = []
    for sentence in sentences:
        answering = after_hedge(sentence)
        if not is_refusal(answering) and not (is_chatter(answering) and len(answering) > 3):
            kept.append(answering)
    if not kept:
        return ""
    kept = [sentence for sentence in kept if not is_about_speaker(sentence)] or kept
    emphasis = [e for e in emphasis if not e.rstrip().endswith((":", "."))]
    emphasis = emphasis or [
        said for a, b in _QUOTED.findall(text) if (said := a or b) not in question
    ]
    if len(set(emphasis)) == 1 and not options(question):
        return emphasis[0]
    if items := _items(text):
        return "\n".join(items)
    is_labelled = bool(options(question)) and bool(_LABELLED.match(text))  # "C) cover it"
    is_cut = not is_labelled and (
        is_unfinished(text) or (len(kept) > 1 and not re.search(r"[.!?。)\"'*`$]$", text.rstrip()))
    )
    wants_number = bool(_NUMBER_QUESTION.search(question))
    if is_cut:
        # A cut-off calculation has no result; after a complete first sentence only chatter is lost.
        first = _part(question, kept[0])
        is_first_cut = len(kept) == 1 and is_unfinished(text)
        if is_unfinished(first) or (first == kept[0] and (wants_number or is_first_cut)):
            return ""
        return "" if wants_number and len(kept) > 1 else first
    if wants_number and len(kept) == 1 and _is_begun_sum(text):
        return ""
    if options(question):
        return " ".join(kept)
    if is_open(question) and len(words(text)) >= _MIN_STATEMENT:
        return " ".join(kept) if len(kept) < _MAX_STATEMENT else kept[0]
    if is_yes_no(question):
        return kept[0]
    if len(kept) > 1 and (wants_number or _is_conclusion(kept[-1])):
        return _part(question, kept[-1])
    return _one_of_equals(_part(question, kept[0]))


def _is_phrase(text: str) -> bool:
    """At least two common nouns: a description from the question, and none of its values."""
    return len(re.findall(r"\b[a-z]{3,}", text.replace("the ", ""))) > 1


def _one_of_equals(text: str) -> str:
    """'"cold" or "cold"' offers no choice."""
    either = _EITHER.fullmatch(text)
    return either["one"] if either and either["one"] == either["other"] else text


def _part(question: str, sentence: str) -> str:
    """The answering part of one sentence."""
    text = sentence.strip()
    if who := named_role(question, text) or other_of_two(question, text):
        return who
    text = _POLITE.sub("", text)
    if (topic := _TOPIC.match(text)) and topic["topic"] in question:
        text = text[topic.end() :]  # "대한민국의 수도는 서울"
    if _WHO.search(question):
        if cleft := _CLEFT.match(text):
            text = cleft["it"] or cleft["ce"] or cleft["who"]
        text = _SURNAME_FIRST.sub(r"\g<before>\g<first> \g<surname>", text)
    if not re.search(r"\d(?:\.\.\.|…)$", text):  # "0.333..." goes on
        text = re.sub(r"(?<!\b[A-Z])[.!]+$", "", text)
    text = re.sub(r"\s*\((?:sorry|i think|i believe|probably)[^)]*\)$", "", text, flags=re.I)
    text = concluded(text, asked_stems(question))
    if not is_open(question):
        text = re.sub(r",?\s+(?:while|whereas)\s.*$", "", text)
    text = _RELATIVE.sub("", _CONTRACTED.sub(r"\1 is ", after_hedge(text)))
    adjunct = _ADJUNCT.match(text)
    asked = asked_stems(question)
    if adjunct and (adjunct["frame"] or not new_words(adjunct["adjunct"], asked)):
        text = text[adjunct.end() :]
    if period := _PERIOD_QUESTION.search(question):
        named = re.findall(rf"\S+ {period[1]}{_ERA}", text, re.I)
        if len(named) == 1:
            return str(named[0])
    if (solved := solutions(text)) is not None:
        return solved
    if _NUMBER_QUESTION.search(question) and (found := final_value(text)):
        return found
    if (colon := _NAMED.fullmatch(text)) and new_words(colon["name"], asked):
        return colon["name"]
    if (doer := _DOER.match(text)) and _is_doer(doer, asked):
        return doer["who"]  # "Fleming discovered it by chance"
    if final := _FINAL_NAME.search(text):
        return final["name"]  # "... in the Spanish capital, Madrid"
    compared = _COMPARED.fullmatch(text)
    if compared and fold_word(compared["how"]) in asked and is_echo(compared["one"], asked):
        return compared["one"]  # "7 is larger than 3"
    if is_implicit(text):
        return balanced(text)
    picks_name = bool(_WHO.search(question))
    for copula in islice(_COPULA.finditer(f" {text}", 1), _MAX_COPULAS):
        left, right = f" {text}"[: copula.start()].strip(), f" {text}"[copula.end() :].strip()
        if not right:
            continue
        if picks_name and is_picked(left, right, asked):
            return left  # "Ravi was in front": one of those that the question names
        if (pointed := _POINTED.match(right)) and (pointed["only"] or not new_words(right, asked)):
            return left  # "The mayor is the one who was elected"
        is_repeated = not new_words(_trim(right, asked), asked)
        if _PLACED.match(left) and not is_echo(left, asked):
            left = left.rpartition(",")[2].strip()
        if is_echo(left, asked) and not (
            is_repeated and points_back(left) and _is_phrase(right) and new_words(left, asked)
        ):
            return value(_trim(balanced(right), asked))
        if is_repeated and not (parse_quantity(right) and parse_quantity(left) is None):
            return value(_trim(left, asked))
        if is_repeated:
            return value(right)  # "the chance is one in six", of a six
    if len(words(text)) > _MAX_ECHO:
        text = _trim(text, asked)
    if len(words(text)) <= _MAX_ECHO and not _WHEN & asked:
        text = _YEARS.sub("", text)
    is_short = len(words(text)) <= _MAX_ECHO and foreign_number(question, text) is None
    if is_short and not is_formula(text) and len(list_items(text)) < 3:
        text = without_echo(text, asked)
    starting = re.match(r"(?:es|ist|est|is|im|c['’]est)\s+(.+)$", text, re.I)
    if starting:
        return _trim(starting[1], asked)
    return value(_trim(text, asked)) if len(words(text)) > 3 else value(text)


def _is_doer(doer: re.Match[str], asked: frozenset[str]) -> bool:
    """Does somebody whom the question does not name do what it asks about?"""
    who, rest = doer["who"], doer.string[doer.end() :]
    is_asked_who = bool(asked & {"who", "which", "what"})
    is_verb = len(doer["verb"]) > 3 and is_known(doer["verb"], asked)
    is_one = not re.search(r"(?:,|\band) [A-Z]", rest) and parse_quantity(who) is None
    is_new = len(new_words(who, asked)) == len(words(who))
    is_name = who.lower() not in NEVER_NAMES
    return is_asked_who and is_verb and is_one and is_new and is_name


def _trim(text: str, asked: frozenset[str]) -> str:
    if (participle := _PARTICIPLE.match(text)) and (
        not participle[1]
        or fold_word(participle[1]) in asked
        or (participle[1].endswith(("ed", "en")) and parse_quantity(participle[1]) is None)
    ):
        text = text[participle.end() :]
    if is_formula(text):
        text = _ONLY.sub("", text)
        # A comma or a dash there belongs to the formula.
        if text.lower().startswith(("all ", "every ")):
            return text.strip()  # "all $x$ with $1 \\le x$"
        return re.split(r"(?<=\$),?\s+(?:where|which|since|because|as|with|for)\b", text)[0].strip()
    if relation := _RELATED.match(text):
        return relation["name"]
    if len(list_items(text)) > 2:
        return text.strip()
    cut = _APPOSITION.search(text) or _DESCRIPTION.match(text) or _AND_CLAUSE.match(text)
    if cut:
        kept = text[: cut.start() if cut.re is _APPOSITION else cut.end("name")]
        if kept.count("(") > kept.count(")"):
            kept = kept[: kept.rindex("(")]
        text = kept or text
    if not asked & _WHEN:
        text = _YEARS.sub("", text)
    return text.strip()


def _items(text: str) -> list[str]:
    """The items when every line is one of a list."""
    lines = [line for line in text.strip().splitlines() if line.strip()]
    items = [re.sub(r"^\s*(?:[-*•]|\d+[.)])\s+", "", line) for line in lines]
    is_list = len(lines) > 1 and all(x != y for x, y in zip(items, lines, strict=True))
    return items if is_list else []


def _is_conclusion(sentence: str) -> bool:
    if re.match(r"(?:so|therefore|thus|hence|in conclusion|finally)\b", sentence, re.I):
        return True
    day = re.match(
        r"(?:it|that) (?:is|was|will be|would be) (?:an? |on )?(\w+)\.?$", sentence, re.I
    )
    return day is not None and is_calendar_name(day[1])


def _is_begun_sum(text: str) -> bool:
    """A sum that a long sentence has begun with, and no end: "he needs 200 / 10 = 20"."""
    is_open = not text.rstrip().endswith((".", "!", "?"))
    num_words = len(re.findall(r"(?<!\\)\b[A-Za-z]{2,}", text))
    is_last = EQUATION.search(text) is not None and not re.search(r"=[^=]*[a-z]{4}", text)
    return is_open and num_words > 5 and is_last
