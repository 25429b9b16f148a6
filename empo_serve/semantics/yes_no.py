"""Whether an answer to a yes/no question says yes or no."""

from __future__ import annotations

import re
from collections.abc import Collection

from empo_serve.semantics.kinds import says_kind
from empo_serve.semantics.opposites import marks, stem
from empo_serve.semantics.questions import asked_sentence, question_words, words
from empo_serve.semantics.questions import fold_word as fold
from empo_serve.semantics.verdicts import verdict

_YES = (
    "yes|yeah|yep|true|correct|indeed|absolutely|definitely|certainly|sí|si|oui|ja|sim|да"
    "|tak|так|ano|evet|kyllä|igen|ναι|نعم|כן|हाँ|हां|ya(?! no)|có|네|예"
    "|是的?|对的?|没错|はい|そう(?:です|だ)?|うん|ええ"
)
_NO = (
    "no|nope|nah|better not|not at all|not any ?more|no longer|not yet|by no means"
    "|no way|don['’]t|false|incorrect|wrong"
    "|never|non|nein|não|нет|nie|ні|nej|nee|nei|ne|hayır|ei|nem|nu|όχι|لا|לא|नहीं|tidak|không"
    "|아니[요오]|아뇨|不是?的?|不对|否|没有|いいえ|いや|違います|違う"
)
_LEADING = re.compile(
    rf"^\W*(?:(?:in general|generally|basically|technically|strictly speaking|in short|in a word"
    r"|overall|all in all|on balance|(?:that|having) (?:being )?said|(?:the )?short answer(?: is)?"
    r"|to be clear|as expected|sadly|unfortunately|luckily),?:? )?"
    rf"(?:(?:absolutely|definitely|certainly|of course)\s+(?P<not>not)\b|(?P<no>{_NO})"
    rf"|(?P<yes>{_YES}))"
    r"(?=$|[\s,.;:!)*。，、！])"
    r"|^\W*(?P<agreed>sure|naturally|of course|by all means)(?=,\s)",
    re.I,
)
# "Contrary to popular belief, no."
_TRAILING = re.compile(
    r"^(?:contrary to|despite|in spite of|surprisingly|perhaps surprisingly|as (?:it|things) \w+"
    r"|[^,.;]{3,80}(?=, so )|strictly|legally|by law|under|according to|from|since|as of|with|in)\b"
    r"[^,.;]*,\s+(?:so )?"
    rf"(?:(?P<no>{_NO})|(?P<yes>{_YES}))\W*$",
    re.I,
)
_INDEED = re.compile(r"\b(?:is|are|was|were|do|does|did|has|have|can) indeed\b", re.I)
_LETTER = re.compile(r"\W*([TFYNtfyn])\W*")
# Negation in the languages whose questions `is_yes_no` knows.
_FOREIGN_NO = re.compile(
    r"\b(?:nicht|kein\w*|niet|geen|no|nunca|pas|jamais|não|nunca|non|mai|ne|не|нет)\b|ません|ない|不",
    re.I,
)
_FOREIGN = re.compile(
    r"[¿а-яぁ-ヿ一-鿿]|\b(?:der|die|das|den|dem|zu|nicht)\b|\b(?:ist|sind|hat|kann|est|une?|la|el|os?|il|een|é|è)\b"
    r"|^(?:je|jsou|är|er|finns|kan|onko|ovatko|czy|чи|apakah)\b|\bm[ıiuü](?:d[ıiuü]r)?\s*\?$",
    re.I,
)
_FALSE = re.compile(
    r"\b(?:that|this|it|the statement|the claim)(?:['’]s| is) (?:false|not (?:true|correct"
    r"|the case)|incorrect|untrue|wrong|(?:just |only )?an? (?:common )?(?:myth|misconception))\b",
    re.I,
)
# "True or false: ..." does not ask whether something is false.
_FALSITY = re.compile(
    r"(?<!\bor )(?<!/)\b(?:false|incorrect|untrue|wrong)\b(?! or (?:true|correct|right)\b|/)", re.I
)
_NOT_FALSE = re.compile(
    r"^\W*not (?:false|incorrect|untrue|wrong)\b"
    r"|\b(?:that|this|it|the statement|the claim)(?:['’]s not| is not| isn['’]t)"
    r" (?:false|incorrect|untrue|wrong)\b",
    re.I,
)
_ADVERBIAL = re.compile(r"^\W*\w+ly(?: speaking)?,\s+", re.I)
_PLACE_OF_COMPARISON = re.compile(r"\s(?:on|in|at|by|for|during|from|with)\s")  # "on average"
_OF_THE_TWO = re.compile(r"\bof the two\b", re.I)
_COMPARATIVE_NOUN = re.compile(r"\bthe (\w+er|(?:more|less) \w+) \w+\b", re.I)
_THAT_ONE = re.compile(r"(?<=\w )(?:that|this|those|these) [a-z]+$", re.I)  # "win that match"
_NO_LONGER = re.compile(r"\bno longer\b", re.I)
_NOT_THIS = re.compile(r",\s+(?:and |but )?not (?:an? |the )?([\w.]*\w)\W*$", re.I)
_ANYBODY = re.compile(r"\bany(?:one|body| of)\b", re.I)
_WHO_DID = re.compile(
    r"(?:so far,? |to date,? |yet |up to now,? )?"
    r"(?:(?P<nobody>nobody|no[ -]one|none|not (?:a single|one))"
    r"|(?P<somebody>somebody|someone))\b(?!.*\b(?:but|except|other)\b)",
    re.I,
)
_TRUE = re.compile(
    r"\b(?:that|this|it|the statement|the claim|saying (?:so|that|it))(?:['’]s| is)"
    r" (?:perfectly |quite |absolutely |entirely )?(?:true|correct|right)\b",
    re.I,
)
_NEGATION = re.compile(
    r"\b(?:neither\b.*\bnor|not|never|no|none|neither|nor|cannot|unable|nobody|nothing"
    r"|impossible)\b|n['’]t\b",
    re.I,
)
_REASON = re.compile(
    r"[,;:.]\s|\s(?:because|since|but|although|though)\s"
    r"|\sas (?=(?:it|its|they|their|he|she|the|there|we|you|all|every|no)\b)",
    re.I,
)
_OPPOSITES = (
    (
        "larger greater bigger more above higher taller longer heavier faster warmer hotter",
        "smaller less lower fewer below shorter lighter slower cooler colder",
    ),
    ("older earlier before", "younger newer later after"),
    ("won win wins winning", "lost lose loses losing defeated beaten"),
    ("even", "odd"),
    ("hot", "cold"),
    ("alive living", "dead"),
)
_AUXILIARY = re.compile(
    r"\s*(?:is|are|was|were|am|do|does|did|can|could|will|would|should|has|have|had|may|might)\b",
    re.I,
)
# "It counts as one", "they belong to these": what is said of the thing is in the other words.
_BELONGS = frozenset(
    fold(w)
    for w in words(
        "count counts counted belong belongs class classed classified classify classifies consider"
        " considered regard regarded qualify qualifies rank ranked treat treated fall falls among"
        " located situated found lie lies based kind type sort form member example able possible"
        " really actually still also indeed"
    )
)
# "He can do that": the verb of the question is meant.
_PRO_VERB = re.compile(r"\b(?:do|does|did|done|doing|manage) (?:that|it|so|this)\b", re.I)
_NO_OBJECTION = re.compile(r"\b(?:nothing|no) (?:wrong|harm|problem|objection|danger|risk)\b", re.I)
# "Botanists class it as": it is what somebody says of the thing that counts, not who says it.
_OPINION = re.compile(
    r"^(?:the )?\w+ (?=(?:(?:do(?:es)?|did|would)(?: not|n['’]t)? )?\w+ (?:it|them)\b)", re.I
)
_EVERY = re.compile(r"\b(?:all|every|always|everyone|everybody|each)\b", re.I)
_NOT_EVERY = re.compile(
    r"(?:not (?:all|every|always)|only|some|most|many|few|there are exc)\b", re.I
)
_CONCLUSION = re.compile(
    r"(?:[,;]|\sand)\s+(?:so|therefore|thus|hence|which means(?: that)?|also|daher|folglich|donc"
    r"|así que|quindi|dus|portanto)\b,?\s+",
    re.I,
)
_CONDITION = re.compile(r",\s+(?:if|when|given|although|because|since|as)\b.*$", re.I | re.S)
_POINTING = re.compile(r"(?:it|they|he|she|this|that|these|those)\b", re.I)
_COMPARISON = re.compile(r"\b(?:than|as \w+ as)\b", re.I)
_PREDICATE = re.compile(
    r"\s*(?:is|are|was|were) (?:it|this|that|they|he|she|these|those) (\w+)\b", re.I
)
_COPULA = re.compile(r"\s*(?:is|are|was|were|am)\b", re.I)
_MAX_CLAUSE = 10  # words
_PREFIXED = re.compile(r"\b(?:un|in|im|il|ir|dis|non-?)([a-z]{4,})\b", re.I)
_PRONOUNS = frozenset(words("it they he she"))
_ROOT = 6  # letters that tell a root
_FOREIGN_PRONOUNS = frozenset(
    words(
        "lo la es er sie das c'est c ce il elle en un une ein eine uno una é è isso sim esto"
        " это dazu darunter davon"
    )
)
_STOP = frozenset(
    words(
        "is are was were am do does did can could will would shall should has have had may"
        " might must be been it its they them he she this that the a an of to in on at by for"
        " and or than with as there one some so true false correct yes no answer you we i"
    )
)


def polarity(question: str, answer: str) -> bool | None:
    """True for yes, False for no, None when the answer does not tell.

    It reads a leading yes or no, "that is (not) true", a bare auxiliary ("It does not"), a verdict
    or a permission, another kind of thing, and a statement that repeats the question's own words,
    with or without a negation. Not covered: other statements that only imply the answer.
    """
    text = answer.strip()[:2000]
    question = asked_sentence(question)
    if letter := _LETTER.fullmatch(text):
        return letter[1] in "TtYy"
    if leading := _LEADING.match(text):
        return bool(leading["yes"] or leading["agreed"])
    # "It is false" says no, but to "Is it false that ...?" it says yes.
    if trailing := _TRAILING.match(text):
        return bool(trailing["yes"])
    asks_falsity = bool(_FALSITY.search(question))
    if _NOT_FALSE.search(text) or _TRUE.search(text):
        return not asks_falsity
    if _FALSE.search(text):
        return asks_falsity
    if (denied := _NOT_THIS.search(text)) and fold(denied[1]) in question_words(question):
        return bool(_NEGATION.search(question))  # "They are mammals, not birds"
    if _ANYBODY.search(question) and (who := _WHO_DID.match(text)):
        return bool(who["somebody"])
    if not asks_falsity and (allowed := verdict(question, text)) is not None:
        return allowed
    before, *conclusions = _CONCLUSION.split(text)
    if conclusions and (concluded := polarity(question, conclusions[-1])) is not None:
        return concluded
    if _OF_THE_TWO.search(before):  # "the higher mountain of the two"
        before = _COMPARATIVE_NOUN.sub(r"\1", _OF_THE_TWO.sub("", before))
    before = _NO_LONGER.sub("not", _ADVERBIAL.sub("", before))
    clause = _THAT_ONE.sub("it", _REASON.split(before.rstrip(" .!。"))[0])
    if _EVERY.search(question) and _NOT_EVERY.match(clause):
        return False
    clause = _OPINION.sub("", _NO_OBJECTION.sub("fine", clause))
    if _FOREIGN.search(question) and not _AUXILIARY.match(question):
        return _foreign_polarity(question, clause)
    clause = _PREFIXED.sub(lambda found: _unprefixed(question, found), clause)
    if not _NEGATION.search(clause) and (of_kind := says_kind(question, clause)) is not None:
        return of_kind
    said = [w if w in _STOP else fold(w) for w in words(clause.lower())]
    negated = len(_NEGATION.findall(clause)) % 2 == 1
    if _INDEED.search(clause) and not negated and not _NEGATION.search(question):
        return True
    content = [w for w in said if w not in _STOP and not _NEGATION.search(w)]
    asked = {w for w in question_words(question) if w not in _STOP and not _NEGATION.fullmatch(w)}
    if not content:
        return not negated if len(said) >= 1 else None
    asked_negated = bool(_NEGATION.search(question))
    says_yes = negated == asked_negated
    for one, other in _OPPOSITES:
        sides = ({fold(w) for w in one.split()}, {fold(w) for w in other.split()})
        for mine, opposite in (sides, sides[::-1]):
            if asked & mine and set(content) & opposite and not set(content) & mine:
                after = _after_subject(question, said, negated)
                if after is not None:
                    return after
    known = [w for w in content if w in asked]
    if known and known[0] in _compared(question):
        # "Iron is heavier": it is the other one that is so.
        is_comparative = any(w in ("more", "less") or w.endswith("er") for w in known)
        return False if is_comparative and not negated else None
    if (predicate := _PREDICATE.match(question)) and content == [fold(predicate[1])]:
        return says_yes  # "Is it safe to eat?": "It is safe"
    if not _keeps_order(question, known):
        return None
    told = _by_opposites(question, clause) if len(said) <= 12 else None
    if told is not None:
        return told == says_yes
    if _PRO_VERB.search(clause) and len(said) <= _MAX_CLAUSE:
        return says_yes
    if negated and not asked_negated and len(content) == 1 and said[0] in _PRONOUNS:
        return False  # "They never intersect."
    points = bool(said) and said[-1] in ("it", "them", "so", "that")
    if points and len(known) == len(content) > 1:
        return says_yes  # "Brazil has won it."
    is_one = bool(said) and said[-1] == "one"  # "Africa is one."
    if len(known) == len(content) and (negated or is_one) and len(said) <= 5:
        return says_yes
    is_new = content[0] not in asked and content[0] not in _BELONGS
    if is_new and not _is_said(question, content):
        return None  # "Birds lay eggs" says nothing about cats
    goal, is_all_known = _says_goal(question, content)
    if known and len(known) >= 0.6 * len(asked) and len(known) >= 0.6 * len(content):
        # "Bern is the capital of Switzerland" says nothing about Austria.
        return says_yes if goal or is_all_known else None
    return says_yes if goal and is_all_known and len(said) <= _MAX_CLAUSE else None


def _unprefixed(question: str, found: re.Match[str]) -> str:
    """ "immutable" is "not mutable" where that is asked."""
    return f"not {found[1]}" if fold(found[1]) in question_words(question) else found[0]


def _main_clause(question: str) -> str:
    """What is asked, without the condition behind it."""
    return _CONDITION.sub("", question)


def _compared(question: str) -> set[str]:
    """What the question compares its subject with."""
    subject, _, compared = _main_clause(question).lower().partition(" than ")
    compared = _PLACE_OF_COMPARISON.split(compared)[0]
    return {fold(w) for w in words(compared)} - {fold(w) for w in words(subject)} - _STOP


def _is_said(question: str, content: list[str]) -> bool:
    """Does the answer name the subject, the first thing that the question names?"""
    asked = [fold(w) for w in words(question)]
    subject = next((w for w in asked if w not in _STOP and not _NEGATION.search(w)), None)
    return subject in content


def _keeps_order(question: str, known: list[str]) -> bool:
    """Does the answer name what the question names in the question's order? "The dog chased the
    cat" does not say that the cat chased the dog."""
    if _COPULA.match(question):
        return True
    rest = iter([fold(w) for w in words(question)])
    return all(word in rest for word in known)


def _says_goal(question: str, content: list[str]) -> tuple[bool, bool]:
    """Does the answer say what the question ends with, and does it say nothing new?

    "It is classed as a fruit" for "Is a tomato a fruit?"; where the question compares, its end is
    no answer.
    """
    main = _main_clause(question)
    asked = [fold(w) for w in words(main)]
    rest = [w for w in asked if w not in _STOP and not _NEGATION.search(w)]
    if not rest:
        return False, False
    stems = [stem(w) for w in rest]
    goals = {stems[-1]}
    if asked[-2:] == rest[-2:]:
        goals.add(stems[-2])  # "a prime number": "it is prime"
    new = [w for w in content if not _is_one_of(stem(w), stems) and w not in _BELONGS]
    says_goal = any(_is_one_of(stem(w), goals) for w in content)
    if _COMPARISON.search(main):
        # "Everest is indeed higher": with the subject, the comparative says it all.
        degrees = [w for w in content if w in rest and (w in ("more", "less") or w.endswith("er"))]
        is_subject = bool(degrees) and content[0] in rest[: rest.index(degrees[0])]
        return says_goal or is_subject, not new and is_subject
    return says_goal, not new


def _is_one_of(word: str, others: Collection[str]) -> bool:
    """ "convergent" is of the same root as "converge"."""
    return any(
        word == w or (min(len(word), len(w)) >= _ROOT and word[:_ROOT] == w[:_ROOT]) for w in others
    )


def _by_opposites(question: str, clause: str) -> bool | None:
    """Whether the clause says the question's word ("rise", "go up") or its opposite ("go down") of
    the same subject; None when it says neither or both."""
    question = _main_clause(question)
    asked = question_words(question) - _STOP
    known = [fold(w) for w in words(clause) if fold(w) in asked]
    if not known and not _POINTING.match(clause):
        return None
    asked_marks, said_marks = marks(question), marks(clause)
    repeated = {line for line, _ in marks(" ".join(known))}
    found = set()
    for line in {line for line, _ in asked_marks} & {line for line, _ in said_marks} - repeated:
        sides_asked = {side for at, side in asked_marks if at == line}
        sides_said = {side for at, side in said_marks if at == line}
        if len(sides_asked) == len(sides_said) == 1:
            found.add(sides_asked == sides_said)
    return found.pop() if len(found) == 1 else None


def _foreign_polarity(question: str, clause: str) -> bool | None:
    """A short clause that repeats the question says yes, with a negation no."""
    said = [fold(w) for w in words(clause.lower())]
    asked = question_words(question)
    new = [
        w
        for w in said
        if w not in asked and w not in _FOREIGN_PRONOUNS and not _FOREIGN_NO.fullmatch(w)
    ]
    if _FOREIGN_NO.search(clause):
        return False if len(said) <= 4 or len(new) <= 1 else None
    return True if said and not new and len(said) <= 8 else None


def _after_subject(question: str, said: list[str], negated: bool) -> bool | None:
    """An opposite word says no, unless the sentence also turns the subject around."""
    asked = [fold(w) for w in words(question) if fold(w) not in _STOP]
    subject = next((w for w in asked if w in said), None)
    if subject is None:
        return negated
    others = [w for w in said if w in asked]
    if not others or others[0] == asked[0]:
        return negated
    return None
