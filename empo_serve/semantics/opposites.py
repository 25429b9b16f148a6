"""Words that turn a statement around: opposites, and verbs that tell one event from its two ends.

General English, a closed list; what is not here is no opposite here. Words are stems (`stem`).
"""

from __future__ import annotations

import re
from functools import lru_cache

from empo_serve.semantics.questions import fold_word, words
from empo_serve.semantics.verbs import PRESENT

_LINES = """
rise rose risen increase grow grew grown climb gain raise expand swell soar double triple
    | fall fell fallen decrease drop shrink shrank decline sink sank reduce contract diminish halve
more higher high greater large larger big bigger above most highest largest biggest
    | less lesser lower low small smaller little few fewer below least lowest smallest beneath under
fast faster quick quicker quickly rapid rapidly speed accelerate sooner | slow slower slowly delay
heavy heavier heaviest | light lighter lightest weightless
hot hotter warm warmer warmth heat hottest boil melt | cold colder cool cooler chill freeze frozen
long longer longest long-term | short shorter shortest short-term brief
before prior earlier beforehand until | after later once afterwards following
early | late
dense denser thick thicker | thin thinner sparse
strong stronger strengthen | weak weaker weaken
good better best improve benefit | bad worse worst worsen harm
easy easier simple simpler | hard harder difficult complicated
open opened | close closed shut
start begin began begun commence launch | end stop finish cease
accept approve agree allow permit pass support hire welcome
    | reject refuse deny deni decline forbid ban prohibit prevent oppose dismiss veto fire
add attach join combine merge | remove subtract detach split separate divide
push repel | pull attract
inside within inner interior indoor indoors | outside outer exterior outdoor outdoors
top surface upper | bottom lower
left | right
north northern | south southern
east eastern | west western
front forward forwards ahead | back backward backwards behind
same equal identical alike | different opposite unequal reverse inverse inverted
all every always everything everyone everybody both
    | never none nobody nothing no neither nowhere
only alone | together jointly
many much | few little
win won victory succeed success | lose lost defeat fail failure
true right correct | false wrong incorrect mistaken
alive live living | dead die died
day daytime | night nighttime
old older ancient | new newer young younger modern
rich wealthy | poor
full | empty
wet damp moist | dry
clean pure | dirty polluted
safe harmless | dangerous harmful hazardous risky
positive | negative
male man men boy husband father son brother | female woman women girl wife mother daughter sister
buy bought purchase | sell sold
give gave given giver donor | take took taken receive recipient
love like | hate dislike
create build built make made produce | destroy demolish
absorb | reflect scatter emit release
enter arrive come came | leave left depart exit went
remember | forget forgot forgotten
legal lawful | illegal unlawful
double twice | halve half
maximum maximise | minimum minimise
multiply | divide
present | absent
peace | war
guilty convict convicted conviction condemn condemned
    | innocent acquit acquitted acquittal
import | export
converge convergent | diverge divergent
hire employ | fire
visible | invisible hidden
often frequently commonly | rarely seldom
float floats afloat | sink sank sunk
edible | inedible
conduct conductor | insulate insulator
prime | composite
"""
# The lines that tell which way something changes.
_NUM_DIRECTIONS = 3

_GOES = re.compile(
    r"\b(?:goe?s?|went|gone|going|moves?|moved|pushed|come|comes)\s+(up|down)(?:wards?)?\b", re.I
)
_HALF_AS = re.compile(r"\bhalf as (?:large|big|high|much|many|great|strong|long)\b", re.I)
_PASSIVE = re.compile(
    r"\b(?:is|are|was|were|be|been|being|gets?|got)\b(?:\s+[\w'’-]+){1,5}?\s+by\b", re.I
)
_PREFIX = re.compile(r"(?:un|in|im|il|ir|dis|non|anti|mis)-?(?=\w{4})")


_CYRILLIC_ENDING = re.compile(
    r"(?<=...)(?:ами|ями|ого|его|ому|ему|ой|ей|ою|ею|ом|ем|ах|ях|ов|ев|ий|ый|ая|яя|ое|ее"
    r"|[аеёиоуыэюяіїєьй])$"
)


@lru_cache(maxsize=16384)
def stem(word: str) -> str:
    """A crude stem: inflections of one English word mostly share it."""
    word = fold_word(word)
    word = PRESENT.get(word, word)
    if len(word) > 3 and "а" <= word[0] <= "ӿ":
        return _CYRILLIC_ENDING.sub("", word)
    for ending in ("ing", "edly", "ed", "ly", "ies", "es"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            break
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "sl":
        word = word[:-1]
    return word[:-1] if len(word) > 3 and word[-1] in "ei" else word


# Of some pairs there is no third: what is not open is closed.
_NO_THIRD = ("guilty", "open", "alive", "true", "same", "present", "full", "legal", "visible")
_CONTRARY = [
    tuple(side.split()[0] for side in line.split("|")) if line.split()[0] in _NO_THIRD else ()
    for line in re.split(r"\n(?=\S)", _LINES.strip())
]
_TURNED = re.compile(r"\bnot (?:be )?(\w+)")
_SIDES: dict[str, set[tuple[int, int]]] = {}
for _i, _line in enumerate(re.split(r"\n(?=\S)", _LINES.strip())):
    for _side, _words in enumerate(_line.split("|")):
        for _word in _words.split():
            _SIDES.setdefault(stem(_word), set()).add((_i, _side))


def marks(text: str) -> frozenset[tuple[int, int]]:
    """(line, side) of each word with an opposite. "less quickly" counts as "slowly"."""
    text = _HALF_AS.sub("reduced", text)
    tokens = [stem(w) for w in words(_GOES.sub(_as_change, text))]
    found: set[tuple[int, int]] = set()
    for i, token in enumerate(tokens):
        previous = tokens[i - 1] if i else ""
        following = _SIDES.get(tokens[i + 1], set()) if i + 1 < len(tokens) else set()
        if token in ("mor", "less") and following and tokens[i + 1] not in _AMOUNTS:
            continue
        flip = previous == "less" and token not in _AMOUNTS
        found |= {(line, side ^ flip) for line, side in _SIDES.get(token, ())}
    return frozenset(found)


def without_turned(text: str) -> str:
    """ "not guilty" -> "innocent": a negation that only makes the opposite of the next word."""
    return _TURNED.sub(_as_opposite, text)


def _as_opposite(found: re.Match[str]) -> str:
    sides = _SIDES.get(stem(found[1]), set())
    lines = {line for line, _ in sides if _CONTRARY[line]}
    if len(lines) != 1 or len(sides) != 1:
        return found[0]
    (line, side) = next(iter(sides))
    return _CONTRARY[line][1 - side]


def contradict(a: str, b: str) -> bool:
    """Does one text use a word, and the other its opposite, and neither both?"""
    marks_a, marks_b = marks(a), marks(b)
    for line in {line for line, _ in marks_a} & {line for line, _ in marks_b}:
        sides_a = {side for at, side in marks_a if at == line}
        sides_b = {side for at, side in marks_b if at == line}
        if len(sides_a) == len(sides_b) == 1 and sides_a != sides_b:
            return True
    stems_a, stems_b = ({stem(w) for w in words(text)} for text in (a, b))
    return any(_is_prefixed(w, stems_b) for w in stems_a - stems_b) or any(
        _is_prefixed(w, stems_a) for w in stems_b - stems_a
    )


def direction(text: str) -> int | None:
    """0 for up or more, 1 for down or less; None when the text says neither or both."""
    sides = {side for line, side in marks(text) if line < _NUM_DIRECTIONS}
    return sides.pop() if len(sides) == 1 else None


def is_turned(text: str) -> bool:
    """Does the text name the one who is acted on first: passive, or "borrow" for "lend"?"""
    passive = _PASSIVE.search(text)
    # "gets rescued by" is passive, and nobody gets anything.
    active = text if passive is None else text.replace(passive[0].split()[0], "", 1)
    receives = any(stem(w) in _RECEIVING for w in words(active))
    return bool(passive) != receives


# "less heat" is less of a thing, no opposite of "heat".
_AMOUNTS = frozenset(map(stem, words("heat warmth light speed harm benefit support time")))
_RECEIVING = frozenset(
    map(
        stem,
        words(
            "borrow receive get got inherit learn learnt buy bought owe lose lost hear heard accept"
            " obtain take took taken follow succeed"
        ),
    )
)


def _is_prefixed(word: str, others: set[str]) -> bool:
    prefix = _PREFIX.match(word)
    return prefix is not None and word[prefix.end() :] in others


def _as_change(found: re.Match[str]) -> str:
    return "rises" if found[1].lower() == "up" else "falls"
