"""Equations and inequalities as answers: the value, solutions or interval that they give."""

from __future__ import annotations

import re
from fractions import Fraction

from empo_serve.semantics.numbers import parse_quantity

EQUATION = re.compile(r"(?<![<>=!:])=(?![=>])")
_ASSIGNMENT = re.compile(r"\b([A-Za-z])\s*=\s*")
_ONE_ASSIGNMENT = re.compile(r"\$?\s*([A-Za-z]|\\[a-z]+)(?:_\{?\d\}?)?\s*=\s*([^=$]+?)\s*\$?")
_BETWEEN = re.compile(
    r"\s*(?:[,;](?:\\[ ,;:])?|\band\b|\bor\b)\s*"
    r"(?=(?:and\s+)?\$?\s*(?:[A-Za-z]|\\[a-z]+)(?:_\{?\d\}?)?\s*=)"
)
_UNKNOWN = re.compile(r"^(?:[a-zA-Z]\s*(?:∈|\\in\b|=)\s*)?\\?[{\[]?\s*(.*?)\s*\\?[}\]]?$")
_PAIR_IN_BRACKETS = re.compile(r"^\\?(?:left)?[\[(][^,]*,[^,]*[\])]$")
_HEAD = re.compile(
    r"^[a-z ]{0,40}\b(?:order|numbers|solutions|are): +", re.I
)  # "in this order: 0.5, 1/3"
_FRACTION = re.compile(r"\\[dt]?frac\s*\{(\d{1,9})\}\s*\{([1-9]\d{0,8})\}")
_THOUSANDS = re.compile(r"\W*\d{1,3}(?:,\d{3})+(?:\.\d+)?\W*")  # one number
_SPACE = re.compile(r"\\[ ,;:!]")
_AND = re.compile(r"\s*(?:,|;|<|\band\b|\bor\b)\s*")
_SEVERAL = re.compile(r"[,;<±]|\\pm|\b(?:and|or)\b")
_MAX_NUMBERS = 200  # characters
_RELATION = re.compile(r"(<=|>=|<|>|≤|≥|\\leq?\b|\\geq?\b|\\lt\b|\\gt\b)")
# \{x : -1 < x < 4\}
_BUILDER = re.compile(
    r"\\?\{\s*[a-zA-Z]\s*(?:(?:\\in|∈)\s*(?:\\mathbb\{?R\}?|ℝ)\s*)?(?::|\||\\mid|\\vert)\s*(.+?)\s*\\?\}"
)
_ALL_WITH = re.compile(
    r"^(?:all|every|the|those) (?:real |numbers )*\$?[a-z]?\$? ?"
    r"(?:with|such that|for which|satisfying|where) ",
    re.I,
)
_UNIONS = re.compile(r"\s*(?:\bor\b|\\cup|∪|\\text\s*\{\s*or\s*\})\s*")
_IMPLICIT = re.compile(
    r"(?=.*[a-z])(?=.*(?:[a-z].*[-+]|[-+].*[a-z]|\^))(?!.*[a-z]{2})[-+ \da-z^{}()]+"
)
_EVERY_NUMBER = re.compile(
    r"(?:all|every|any) (?:real numbers?|reals?|x)|(?:x ?(?:\\in|∈) ?)?\\?(?:mathbb ?\{?r\}?|ℝ)"
    r"|\(-\\?(?:infty|infinity|∞), ?\+?\\?(?:infty|infinity|∞)\)"
)
_NO_SOLUTION = re.compile(
    r"(?:there (?:is|are) )?no (?:real )?solutions?|(?:the )?empty set|\\?(?:emptyset|varnothing)|∅"
    r"|\\?\{ ?\\?\}"
)
_VARIABLE = re.compile(r"[a-zA-Z]")


def standard_set(text: str) -> str:
    """All numbers or none, however it is said: "all real numbers", "no solution"."""
    plain = text.strip(" .!$").removeprefix("\\").lower()
    if _EVERY_NUMBER.fullmatch(plain):
        return "(-\\infty,\\infty)"
    return "\\emptyset" if _NO_SOLUTION.fullmatch(plain) else text


def is_formula(text: str) -> bool:
    return "\\" in text or "$" in text or "^" in text


def value(text: str) -> str:
    """The right-hand side of an equation that gives a value; all values of several solutions."""
    sides = EQUATION.split(text)
    if is_implicit(text):
        return balanced(text)
    if len(sides) < 2 or sides[-1].count("{") != sides[-1].count("}"):
        return balanced(text)  # the "=" of a sum's index begins no value
    if len(_ASSIGNMENT.findall(text)) > 1 and re.search(r"\b(?:and|or)\b|,", text):
        return _ASSIGNMENT.sub("", text)
    return balanced(sides[-1].strip()) or text


def is_implicit(text: str) -> bool:
    """ "2x + y = 3" is a line, and not 3."""
    sides = EQUATION.split(text)
    return len(sides) == 2 and bool(_IMPLICIT.fullmatch(sides[0].strip(" $")))


def balanced(text: str) -> str:
    """Without a dollar sign whose partner was cut off: "3x - 2$" is no price."""
    if text.count("$") % 2 and text.endswith("$") and re.search(r"[a-z\\^]", text):
        return text[:-1].strip()
    return "$" + text if text.count("$") % 2 and text.endswith("$") else text


def solutions(text: str) -> str | None:
    """ "x = 2 or x = -5" -> "2 or -5", "y = 2, x = 3" -> "(3, 2)"; None for any other text."""
    if text.count("=") < 2:
        return None
    parts = [_ONE_ASSIGNMENT.fullmatch(part) for part in _BETWEEN.split(text.strip(" ."))]
    found = [(part[1], part[2].strip()) for part in parts if part]
    if len(found) < 2 or len(found) < len(parts):
        return None
    names = {name for name, _ in found}
    if len(names) == 1:
        return " or ".join(said for _, said in found)
    if len(names) < len(found):
        return None
    return f"({', '.join(said for _, said in sorted(found))})"


def numbers(text: str) -> tuple[Fraction, ...]:
    """The numbers that `text` enumerates, in order: "x ∈ {2, −5}", "±7"; () when it is none, or a
    point or an interval, where the brackets count."""
    if len(text) > _MAX_NUMBERS or not _SEVERAL.search(text):
        return ()
    if _THOUSANDS.fullmatch(text) or (text[:1].isalpha() and parse_quantity(text) is not None):
        return ()
    text = _SPACE.sub(" ", text).replace("$", "").replace("\\pm", "±").replace("−", "-").strip()
    text = _FRACTION.sub(r"\1/\2", _HEAD.sub("", text))
    if text[:1] == "(" or _PAIR_IN_BRACKETS.match(text):
        return ()
    inner = _UNKNOWN.match(text)
    found: list[Fraction] = []
    for part in _AND.split(inner[1] if inner else text):
        quantity = parse_quantity(part.lstrip("±"))
        if not part or quantity is None or quantity.unit:
            return ()
        found += [quantity.value, -quantity.value] if part[0] == "±" else [quantity.value]
    return tuple(found) if len(found) > 1 else ()


def as_interval(text: str) -> str:
    """Inequalities of one variable as intervals: "x < -2 or x \\ge 2" becomes
    "(-\\infty,-2)\\cup[2,\\infty)". Any other text stays as it is."""
    text = _ALL_WITH.sub("", text)
    if builder := _BUILDER.fullmatch(text.replace("$", "").strip()):
        text = builder[1]
    parts = [_interval(part.strip()) for part in _UNIONS.split(text.replace("$", "").strip())]
    return "\\cup".join(parts) if all(parts) else text


def _interval(text: str) -> str:
    sides = [side.strip() for side in _RELATION.split(text)]
    if len(sides) not in (3, 5):
        return ""
    relations = [_sign(side) for side in sides[1::2]]
    if len(sides) == 5:
        if not _VARIABLE.fullmatch(sides[2]) or relations[0][0] != relations[1][0]:
            return ""
        low, high = (sides[0], sides[4]) if relations[0][0] == "<" else (sides[4], sides[0])
        left, right = relations if relations[0][0] == "<" else relations[::-1]
        return f"{_bracket(left, '[(')}{low},{high}{_bracket(right, '])')}"
    one, other = sides[0], sides[2]
    relation = relations[0]
    if _VARIABLE.fullmatch(other):
        one, other = other, one
        relation = ("<" if relation[0] == ">" else ">") + relation[1:]
    if not _VARIABLE.fullmatch(one) or _VARIABLE.fullmatch(other):
        return ""
    if relation[0] == "<":
        return f"(-\\infty,{other}{_bracket(relation, '])')}"
    return f"{_bracket(relation, '[(')}{other},\\infty)"


def _sign(relation: str) -> str:
    """ "<", "<=", ">" or ">="."""
    is_less = relation[0] in "<≤" or relation.startswith("\\l")
    is_equal = "=" in relation or relation[0] in "≤≥" or "e" in relation
    return ("<" if is_less else ">") + ("=" if is_equal else "")


def _bracket(relation: str, closed_and_open: str) -> str:
    return closed_and_open[0] if "=" in relation else closed_and_open[1]
