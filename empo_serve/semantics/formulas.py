"""Short formulas, read without SymPy and compared by value: no process, and at most a millisecond.

What is read: numbers, variables, arithmetic, fractions, roots, powers, functions, tuples,
intervals and their unions, sets, matrices, "x =" before any of them. Whatever could be read in two
ways ("1/2x", "sin 2xy", "f(x)") or is not known here is not read, and left to math-verify.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from empo_serve.semantics.equations import EQUATION
from empo_serve.semantics.formula_parser import Many, Node, parse
from empo_serve.semantics.formula_values import (
    Explosive,
    Scalar,
    Unknown,
    constant,
    divide,
    letter,
    multiply,
    same_scalar,
    subtract,
)
from empo_serve.semantics.normalize import without_superscripts
from empo_serve.semantics.numbers import repeating_decimal

_MAX_LENGTH = 300  # characters
_SPELLINGS = (
    (re.compile(r"\\(?:left|right|displaystyle|textstyle|[bB]igg?[lr]?)(?![a-zA-Z])"), " "),
    (re.compile(r"(?<!\\)\\[,;:! ]|\\q?quad(?![a-zA-Z])|~|\$|\{,\}"), " "),
    (re.compile(r"\\[dtc]frac(?![a-zA-Z])"), r"\\frac"),
    (re.compile(r"−|–"), "-"),
    (re.compile(r"\\langle(?![a-zA-Z])|⟨"), "("),
    (re.compile(r"\\rangle(?![a-zA-Z])|⟩"), ")"),
    (re.compile(r"π"), r"\\pi "),
    (re.compile(r"∞"), r"\\infty "),
    (re.compile(r"∪"), r"\\cup "),
    (re.compile(r"\*\*"), "^"),
    (re.compile(r"\\(?:cdot|times)(?![a-zA-Z])|[·×]"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])|÷"), "/"),
    (re.compile(r"(\\\\)\s*\[\d+(?:pt|em|ex)\]"), r"\1"),
    (re.compile(r"\b(?:(?:square|cubic|sq\.?) )?units?\s*$"), " "),
    (re.compile(r"\+\s*c\s*$"), "+ C"),  # the constant of an integral
    (re.compile(r"\\frac\s*(\d)\s*(\d)"), r"\\frac{\1}{\2}"),
    (re.compile(r"\\sqrt\s*(\d)"), r"\\sqrt{\1}"),
)
_UNIT_VECTOR = r"(?:\\(?:mathbf|vec|hat|boldsymbol)\s*\{?\s*\\?)?(?P<axis>[ijk])(?:math)?\}?"
_COMPONENT = re.compile(rf"\s*(?P<sign>[-+]?)\s*(?P<times>\d*(?:\.\d+|/\d+)?)\s*{_UNIT_VECTOR}\s*")
_DEGREES = re.compile(r"(?:\^\s*\{?\s*\\circ\s*\}?|°)\s*$")
_OF_ANGLE = re.compile(r"\\(?:sin|cos|tan)")
_LETTER = re.compile(r"(?<![\\a-zA-Z])[a-zA-Z](?![a-zA-Z])")
_NAMED = re.compile(r"\s*([a-zA-Z]|\\[a-z]+)\s*(?:=|\\in(?![a-zA-Z]))")


@dataclass(frozen=True, slots=True)
class Formula:
    """`node` is None for what could not be read; `is_explosive` for what SymPy must not see."""

    node: Node | None
    name: str = ""  # x in "x = 5"
    is_degrees: bool = False
    is_explosive: bool = False


def read_formula(text: str) -> Formula:
    if len(text) > _MAX_LENGTH:
        return Formula(None)
    text = without_superscripts(repeating_decimal(text))
    text = _as_point(text)
    for pattern, spelling in _SPELLINGS:
        text = pattern.sub(spelling, text)
    name = ""
    if named := _NAMED.match(text):
        name, text = named[1], text[named.end() :]
    value = _DEGREES.sub("", text)
    if value != text and _OF_ANGLE.search(text):
        return Formula(None)
    try:
        return Formula(parse(value), name, value != text)
    except Explosive:
        return Formula(None, is_explosive=True)
    except Unknown:
        return Formula(None)


def _as_point(text: str) -> str:
    """3i - j + 5k as "(3,-1,5)"."""
    plain = re.sub(r"\\[,;:! ]|\$", "", text).replace("−", "-")
    found = list(_COMPONENT.finditer(plain))
    axes = [component["axis"] for component in found]
    is_whole = sum(len(component[0]) for component in found) == len(plain)
    if not is_whole or axes != sorted(set(axes)) or not {"j", "k"} & set(axes):
        return text
    said = {c["axis"]: f"{c['sign'].replace('+', '')}{c['times'] or 1}" for c in found}
    return f"({','.join(said.get(axis, '0') for axis in 'ijk' if axis < 'k' or 'k' in axes)})"


def same_value(a: Formula, b: Formula) -> bool | None:
    """None where the values do not tell."""
    if a.node is None or b.node is None:
        return None
    if a.is_degrees != b.is_degrees:
        return _same_angle(*((a, b) if a.is_degrees else (b, a)))
    if a.name and b.name and a.name != b.name:
        return None
    return _same(a.node, b.node)


def _same_angle(degrees: Formula, other: Formula) -> bool | None:
    """30 degrees are pi / 6. Another number may be meant as degrees too."""
    if not isinstance(degrees.node, tuple) or not isinstance(other.node, tuple):
        return None
    radians = multiply(degrees.node, constant(math.pi / 180))
    return same_scalar(radians, other.node) or None


def same_values(a: Sequence[Formula], b: Sequence[Formula]) -> bool | None:
    """Several formulas of each side: all the same in their order, or one that has no partner?"""
    if all(same_value(x, y) for x, y in zip(a, b, strict=True)):
        return True
    table = [[same_value(x, y) for y in b] for x in a]
    lines = [*table, *zip(*table, strict=True)]
    return False if any(True not in line and False in line for line in lines) else None


def same_equation(a: str, b: str) -> bool | None:
    """True for "2x + y = 3" and "y = 3 - 2x", also without its "y =": the difference of the sides
    is the same up to a factor. None for what is no equation, or is not seen to be the same."""
    if "=" not in a + b:
        return None
    one, other = _difference(a), _difference(b)
    if one is not None and other is not None:
        return _is_multiple(one, other) or None
    equation, text, value = (one, a, b) if one is not None else (other, b, a)
    formula = read_formula(value)
    if equation is None or formula.name or not isinstance(formula.node, tuple):
        return None
    names = set(_LETTER.findall(text)) - set(_LETTER.findall(value))
    if len(names) != 1:
        return None
    return _is_multiple(equation, subtract(letter(names.pop()), formula.node)) or None


def _difference(text: str) -> Scalar | None:
    """Left side minus right side."""
    sides = EQUATION.split(text.replace("$", ""))
    if len(sides) != 2 or not _LETTER.search(text):
        return None
    values = [read_formula(side).node for side in sides]
    if not isinstance(values[0], tuple) or not isinstance(values[1], tuple):
        return None
    try:
        return subtract(values[0], values[1])
    except Unknown:
        return None


def _is_multiple(a: Scalar, b: Scalar) -> bool:
    try:
        ratio = divide(a, b)
    except Unknown:
        return False
    return bool(same_scalar(ratio, constant(ratio[0]))) and abs(ratio[0]) > 0


def _same(a: Node, b: Node) -> bool | None:
    if isinstance(a, tuple) and isinstance(b, tuple):
        return same_scalar(a, b)
    if not isinstance(a, Many) or not isinstance(b, Many):
        return None
    if a.kind == b.kind == "set":
        return _same_elements(a.items, b.items)
    if "union" in (a.kind, b.kind):
        same = _same_elements(_intervals(a), _intervals(b))
        return same if same or (_is_canonical(a) and _is_canonical(b)) else None
    if a.kind.startswith("matrix") != b.kind.startswith("matrix"):
        a, b = _column_as_point(a), _column_as_point(b)
    if "set" in (a.kind, b.kind) or a.kind.startswith("matrix") != b.kind.startswith("matrix"):
        return None
    if a.kind != b.kind or len(a.items) != len(b.items):
        return False
    verdicts = [_same(x, y) for x, y in zip(a.items, b.items, strict=True)]
    return False if False in verdicts else None if None in verdicts else True


def _column_as_point(many: Many) -> Many:
    is_column = many.kind == f"matrix {[1] * len(many.items)}"
    return Many("()", many.items) if is_column else many


def _same_elements(a: tuple[Node, ...], b: tuple[Node, ...]) -> bool | None:
    """In any order, and however often each is named."""
    table = [[_same(x, y) for y in b] for x in a]
    lines = [*table, *zip(*table, strict=True)]
    if any(all(verdict is False for verdict in line) for line in lines):
        return False
    return True if all(True in line for line in lines) else None


def _intervals(a: Many) -> tuple[Node, ...]:
    return a.items if a.kind == "union" else (a,)


def _is_canonical(union: Many) -> bool:
    """Are these intervals of numbers, with a gap between any two? Then no others say the same."""
    ends: list[tuple[float, float, str]] = []
    for interval in _intervals(union):
        if not isinstance(interval, Many) or interval.kind[0] not in "([":
            return False
        points = [x[0] for x in interval.items if isinstance(x, tuple) and len(set(x)) == 1]
        low, high = points if len(interval.items) == len(points) == 2 else (1j, 1j)
        if isinstance(low, complex) or isinstance(high, complex) or low >= high:
            return False
        ends.append((low, high, interval.kind))
    ends.sort()
    return all(
        high < low or (high == low and first[1] == ")" and second[0] == "(")
        for (_, high, first), (low, _, second) in pairwise(ends)
    )
