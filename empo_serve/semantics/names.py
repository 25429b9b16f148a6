"""Names: shorter and longer forms, acronyms, and the one name that a sentence brings."""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.aliases import is_alias, is_calendar_name
from empo_serve.semantics.normalize import normalize
from empo_serve.semantics.questions import asks_when, fold_word, question_words, words
from empo_serve.semantics.spellings import plain_spelling

_TITLES = frozenset(
    words(
        "king queen president emperor pope saint sir lord lady dr doctor mr mrs ms prof professor"
        " general captain prince princess author singer cardinal dame count duke senator"
        " chancellor minister herr frau don"
    )
)
_KIND = (
    r"(?:city|town|village|river|lake|mount|mountain|mt|island|planet|country|element|language"
    r"|republic|state|kingdom|commonwealth|federation|province|county|region|ocean|oceano|sea"
    r"|desert|gulf|ciudad|ville|stadt|lingua|lingua|lengua)"
)
_GENERIC = re.compile(
    rf"^(?:\w+ ){{0,3}}{_KIND} (?:of|de|da|do|di|von) (?:the )?(?=\S)|^{_KIND} (?=\S)"
    r"|(?<=\S)(?: (?:city|river|ocean|sea|desert|mountains?|island|cafe|restaurant|hotel|bar|inc"
    r"|ltd|limited|co|llc|plc|gmbh|ag|corp|corporation|company|language|gas|metal|element|fc|afc|cf"
    r"|f c|airways|airlines))+$"
)
_DISTRICT = re.compile(r"(?<=[가-힣]{2})(?:특별시|광역시|특별자치시|시)$|(?<=[一-鿿]{2})[市都府]$")
_REPUBLIC = re.compile(r"(?P<own>democratic |people['’]?s? ){0,2}republic of\b")
_PLACE_QUESTION = re.compile(
    r"\b(?:where|city|town|capital|located|country|state|mountain|peak|volcano|river|lake|waterfall"
    r"|desert|island|building|skyscraper|tower|bridge|museum|university|stadium|castle|airport|port"
    r"|park)\b",
    re.I,
)
# "South Korea" is not Korea, "New Mexico" not Mexico.
DISTINGUISHING = frozenset(
    words(
        "north south east west northern southern eastern western central new great greater upper"
        " lower middle inner outer old young saint san santa los las equatorial papua second third"
        " non anti ex former vice democratic not no never and or und et y"
    )
)
# Short forms of first names; one line is one name.
_SHORT_FORMS = {
    short: full
    for full, *shorts in map(
        str.split,
        (
            "theodore ted teddy", "john jack johnny jon", "robert bob bobby rob robbie",
            "william bill will billy willy", "samuel sam", "james jim jimmy jamie",
            "thomas tom tommy", "richard dick rick richie", "joseph joe joey",
            "benjamin ben benny", "daniel dan danny", "charles charlie chuck",
            "edward ed eddie ned", "michael mike mick", "david dave", "stephen steve steven",
            "alexander alex alec", "anthony tony", "nicholas nick", "francis frank",
            "elizabeth liz beth betty lizzie", "margaret maggie peggy", "katherine kate kathy",
            "andrew andy", "christopher chris", "matthew matt", "gregory greg", "donald don",
            "franklin frank", "albert al", "ronald ron", "kenneth ken", "lawrence larry",
            "leonard leo len", "walter walt", "abraham abe", "frederick fred freddie",
        ),
    )
    for short in shorts
}  # fmt: skip
# People whom everybody calls by their first name.
_BY_FIRST_NAME = frozenset(
    words(
        "dante galileo michelangelo rembrandt leonardo raphael napoleon napoleone tycho elvis"
        " tutankhamun voltaire moliere caravaggio donatello"
    )
)
# "Charles I of the house of Stuart", "Pompey the Great"
_WHO = re.compile(r"\bwho(?:m|se)?\b", re.I)
_HOUSE = re.compile(
    r"(?:(?<= [IVX])|(?<=[IVX]{2})|(?<=III))\s+of\b.*$"
    r"|\s+the (?:Great|Conqueror|Terrible|Magnificent|Wise|Bold|Confessor|Lionheart)$"
)
_NATIONAL = re.compile(r"^(?:French|English|Dutch|Irish|Scots|Welsh)(?:wo)?man (?=[A-Z])")
_PARTICLES = frozenset(words("de da di du do dos del della von van der den la le of the v"))
# "the Scottish inventor", "a Colombian author"
_ADJECTIVE = re.compile(r"^\w+(?:ish|an|ese|ch|eek|iss|ic|i)$")
NEVER_NAMES = frozenset(
    words(
        "it he she they we i you this that these those there the a an es er sie das die der il elle"
        " lo la le el los las c'est ce si yes no in on at as by for from to since"
        " because when while her his my our their its your him them me us"
    )
)
_MAX_LENGTH = 200
_LONG_NAME = 5  # letters
_RUN_WORD = re.compile(r"[^\W\d_][\w'’.&-]*")
_NOT_A_NAME = re.compile(
    r"\b(?:not|never|no|nor|neither|except|than|but|instead|rather|or|and|und|et|y|nicht|kein|pas|non|sin)\b|n['’]t\b",
    re.I,
)


def same_name(question: str, a: str, b: str) -> bool:
    """Is one a surname of the other ("Newton", "Isaac Newton"), or the same with a generic word
    ("the city of Prague"), with a place that the question names ("Paris, France"), by its initials
    ("UN"), or in another language ("Praha")?"""
    if max(len(a), len(b)) > _MAX_LENGTH:
        return False
    if _are_two_republics(a, b):
        return False
    one, other = _bare(question, a), _bare(question, b)
    if not one or not other or max(len(one), len(other)) > 6:
        return False
    if (
        one == other
        or is_alias(question, " ".join(one), " ".join(other))
        or is_alias(question, a, b)
    ):
        return True
    if _is_acronym(a, b) or _is_acronym(b, a):
        return True
    if not _is_capitalised(a) or not _is_capitalised(b):
        return False
    short, long = sorted(map(_plain_name, (one, other)), key=lambda n: (len(n), n))
    if short == long:
        return True
    if len(short) == len(long):
        return _same_initials(short, long)
    if len(short) == 2 and len(long) == 3 and len(long[0]) == len(long[1]) == 1:
        return _same_initials(short, [long[0], long[2]])  # "Leo Tolstoy", "L. N. Tolstoy"
    if short[0] in _BY_FIRST_NAME and len(short) == 1 and long[0] == short[0]:
        return True
    is_one = min(len(words(a)), len(words(b))) == 1
    if _WHO.search(question) and is_one and _is_short_form(short, long):
        return True
    text = max(a, b, key=lambda t: (len(t), t))
    if any(w[0].islower() and w not in _PARTICLES | _TITLES for w in words(text)):
        return False  # a sentence: "Ann beat Bob" is not Bob
    extra = long[: -len(short)]
    if long[-len(short) :] != short or DISTINGUISHING & set(extra):
        return False
    # "George Bush" and "George W. Bush" may be two people: only a surname alone stands for both.
    return len(short) <= 2 and all(len(word) > 1 for word in short)


def _are_two_republics(a: str, b: str) -> bool:
    """There is a Democratic Republic of the Congo, and a Republic of the Congo."""
    one, other = _REPUBLIC.match(normalize(a)), _REPUBLIC.match(normalize(b))
    return one is not None and other is not None and one["own"] != other["own"]


def only_name(question: str, text: str) -> str:
    """The one proper name in `text` that the question does not have; "" without or with several.

    A capital at the start of a sentence counts only where no other name follows.
    """
    if len(text) > _MAX_LENGTH or _NOT_A_NAME.search(text):
        return ""
    text = _without_place(question, re.sub(r"\([^)]*\)", " ", text))
    asked = question_words(question)
    runs = _runs(text)
    new = [run for run in runs if any(fold_word(w) not in asked for w in words(run[1]))]
    if not new and len(runs) == 1 and " or " in question:
        new = runs  # the question offers it
    new = [(run[0], _NATIONAL.sub("", run[1]), run[2], run[3]) for run in new]
    if not asks_when(question):
        new = [run for run in new if not is_calendar_name(run[1])] or new
    new = [run for run in new if not _ADJECTIVE.search(run[1]) or not run[2]]
    if any(run[3] for run in new):
        return ""  # "Apollo 11": the number belongs to the name
    later = [run for run in new if run[0] > 0]
    if later and len(later) < len(new) and len(words(new[0][1])) == 1:
        new = later
    return re.sub(r"['’](?:s|[dt][ıiuü]r)$", "", new[0][1].strip(" .,")) if len(new) == 1 else ""


def _runs(text: str) -> list[tuple[int, str, bool, bool]]:
    """Runs of capitalised words, particles within them included: position, words, whether a word
    in lower case follows, and whether a number or a sign does."""
    runs: list[list[re.Match[str]]] = []
    pending: list[re.Match[str]] = []
    end = -2
    for token in _RUN_WORD.finditer(text):
        is_adjacent = not text[end : token.start()].strip() if runs and end >= 0 else False
        is_particle = token[0].lower().rstrip(".") in _PARTICLES
        if token[0][0].isupper() and not (is_particle and token.start() == 0):
            if is_adjacent and runs:
                runs[-1] += [*pending, token]
            else:
                runs.append([token])
            pending, end = [], token.end()
        elif is_particle and is_adjacent:
            pending.append(token)
            end = token.end()
        else:
            pending, end = [], -2
    found = []
    for run in runs:
        said, rest = " ".join(token[0] for token in run), text[run[-1].end() :]
        if said.lower() not in NEVER_NAMES:
            follows = bool(re.match(r"\s+[^\W\dA-Z]", rest))
            found.append(
                (run[0].start(), said, follows, bool(re.match(r"[\s-]*\d|[-+#*/=^&%]", rest)))
            )
    return found


def bare_name(question: str, text: str) -> str:
    """Normalised, without what only says where it is or what kind of thing: "Paris, France"."""
    return " ".join(_bare(question, text))


@lru_cache(maxsize=1024)
def _bare(question: str, text: str) -> list[str]:
    text = _without_place(question, _HOUSE.sub("", re.sub(r"\s*\([^)]*\)$", "", text)))
    key = _DISTRICT.sub("", plain_spelling(normalize(text)))
    return re.sub(r" jr$", "", _GENERIC.sub("", key)).split()


def _without_place(question: str, text: str) -> str:
    """ "Paris, France" -> "Paris", where a place is asked for or France is in the question."""
    head, comma, place = text.partition(",")
    if not comma or not place.split():
        return text
    asked = question_words(question)
    is_asked = all(fold_word(w) in asked for w in place.split())
    is_place = bool(_PLACE_QUESTION.search(question)) and bool(_PLACE_AFTER.fullmatch(place))
    return head if is_asked or is_place else text


_PLACE_AFTER = re.compile(r"\s+(?:in |an? |the )?[A-Z]\w*\.?(?: [A-Z]\w*)?\s*")


def spells_out(short: str, text: str) -> bool:
    """Does a sentence spell the acronym out: "The World Health Organization says so"?"""
    letters = short.replace(".", "").strip()
    if not (letters.isalpha() and letters.isupper() and 3 <= len(letters) <= 6):
        return False
    capitals = [w for w in words(text) if w.lower() not in _PARTICLES | {"and", "for"}]
    initials = "".join(w[0] if w[0].isupper() else " " for w in capitals)
    return letters in initials


def _is_acronym(short: str, long: str) -> bool:
    """ "WHO" for "World Health Organization", "SCOTUS" with all of its small words."""
    letters = short.replace(".", "").strip()
    if not (letters.isalpha() and letters.isupper() and 2 <= len(letters) <= 6):
        return False
    spelled = words(long)
    without_small = [w for w in spelled if w.lower() not in _PARTICLES | {"and", "for"}]
    initials = ("".join(w[0] for w in said).upper() for said in (without_small, spelled))
    return letters in initials


def _same_initials(a: list[str], b: list[str]) -> bool:
    """ "J. S. Bach" for "Johann Sebastian Bach"."""
    if len(a) < 2 or a[-1] != b[-1]:
        return False
    pairs = list(zip(a[:-1], b[:-1], strict=True))
    return all(
        x == y or (1 in (len(x), len(y)) and x[0] == y[0]) or _is_other_ending(x, y)
        for x, y in pairs
    )


def _is_other_ending(a: str, b: str) -> bool:
    """ "Marie" and "Maria", "Henri" and "Henry": one first name in two languages."""
    return len(a) == len(b) >= _LONG_NAME and a[:-1] == b[:-1]


def _is_short_form(short: list[str], long: list[str]) -> bool:
    """ "Sam" for "Samwise Gamgee"."""
    is_begun = long[0].startswith(short[0]) and long[0] != short[0]
    return len(short) == 1 and len(short[0]) > 2 and is_begun


def _plain_name(name: list[str]) -> list[str]:
    """Without titles, and with the full form of the first name where a surname follows."""
    name = [word for word in name if word not in _TITLES] or name
    return [_SHORT_FORMS.get(name[0], name[0]), *name[1:]] if len(name) > 1 else name


def _is_capitalised(text: str) -> bool:
    last = text.split()[-1:] or [""]
    return last[0][:1].isupper()
