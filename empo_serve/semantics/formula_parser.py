r"""LaTeX -> its value at the points of `formula_values`, by recursive descent.

answer     = part {("," | "and" | "or" | "\cup") part}
part       = "(" list ")" | "[" list "]" | "\{" list "\}" | expression
expression = term {("+" | "-") term}
term       = ["-"] factor {["*" | "/"] factor}
factor     = primary {"!"} ["^" superscript]
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from empo_serve.semantics.formula_values import (
    FUNCTIONS,
    INFINITY,
    Scalar,
    Unknown,
    add,
    apply,
    constant,
    divide,
    factorial,
    letter,
    multiply,
    negate,
    power,
    root,
    subtract,
)

_MAX_DEPTH = 20  # of expressions within expressions
_MAX_DIGITS = 8  # of a number: more could differ by less than rounding does

_TOKEN = re.compile(r"\s*(\d*\.\d+|\d+|\\[a-zA-Z]+|\\\\|\\[{}]|[a-zA-Z]+|\S)", re.ASCII)
_MATRIX = re.compile(r"\s*\\begin\{([pb]matrix)\}(.*)\\end\{\1\}\s*", re.S)
_CLOSING = {"(": (")", "]"), "[": (")", "]"), r"\{": (r"\}",), "{": ("}",)}
_GREEK = re.compile(
    r"\\(?:alpha|beta|gamma|delta|epsilon|theta|lambda|mu|rho|sigma|tau|phi|varphi|omega)"
)
_CONSTANTS: dict[str, complex] = {
    "e": 2.718281828459045,
    "i": 1j,
    r"\pi": 3.141592653589793,
    r"\infty": INFINITY,
}
_MAY_BE_FUNCTIONS = frozenset("fghFGHPE")  # before a bracket


@dataclass(frozen=True, slots=True)
class Many:
    """`kind` is the two brackets of a tuple or interval, "set", "union", or "matrix" and the
    lengths of its rows."""

    kind: str
    items: tuple[Node, ...]


Node = Scalar | Many


def parse(text: str) -> Node:
    """Raises Unknown where the text is not of this grammar or its value not certain."""
    if matrix := _MATRIX.fullmatch(text):
        rows = [row.split("&") for row in matrix[2].split(r"\\")]
        cells = tuple(_Parser(cell).cell() for row in rows for cell in row)
        return Many(f"matrix {[len(row) for row in rows]}", cells)
    if re.match(r"[^(\[{]*\d,\d", text):
        raise Unknown  # "1,000" may be one number, or two
    return _Parser(text).answer()


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens: list[str] = [*_TOKEN.findall(text), ""]
        self._at = 0
        self._depth = 0

    def answer(self) -> Node:
        parts = [self._part()]
        kinds = set()
        while self._next in (",", "and", "or", r"\cup"):
            kinds.add("union" if self._take() == r"\cup" else "set")
            parts.append(self._part())
        self._expect("")
        if not kinds:
            return parts[0]
        if len(kinds) > 1:
            raise Unknown
        return Many(kinds.pop(), tuple(parts))

    def cell(self) -> Scalar:
        value = self._expression()
        self._expect("")
        return value

    def _part(self) -> Node:
        start = self._at
        if self._next in _CLOSING:
            opening = self._take()
            items = [self._expression()]
            while self._next == ",":
                self._take()
                items.append(self._expression())
            closing = self._take()
            if closing not in _CLOSING[opening]:
                raise Unknown
            if opening == r"\{" or (opening == "{" and len(items) > 1):
                return Many("set", tuple(items))
            if len(items) > 1:
                return Many(opening + closing, tuple(items))
            self._at = start  # the first factor of a product
        return self._expression()

    def _expression(self) -> Scalar:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise Unknown
        value = self._term()
        while self._next in ("+", "-"):
            operation = add if self._take() == "+" else subtract
            value = operation(value, self._term())
        self._depth -= 1
        return value

    def _term(self) -> Scalar:
        if self._next == "-":
            self._take()
            return negate(self._unsigned())
        return self._unsigned()

    def _unsigned(self) -> Scalar:
        value = self._factor()
        is_divided = False
        while True:
            if self._next == "*":
                self._take()
                value = multiply(value, self._factor())
            elif self._next == "/":
                self._take()
                value = divide(value, self._factor())
                is_divided = True
            elif self._starts_factor():
                if is_divided or _is_number(self._next):
                    raise Unknown  # "1/2x", "x 2"
                value = multiply(value, self._factor())
            else:
                return value

    def _starts_factor(self) -> bool:
        token = self._next
        return _is_letter(token) or _is_number(token) or token in ("(", r"\frac", r"\sqrt")

    def _factor(self) -> Scalar:
        first = self._next
        value = self._primary()
        if first.isdigit() and self._next == r"\frac":
            return self._mixed(value)
        while self._next == "!":
            self._take()
            value = factorial(value)
        if self._next == "^":
            self._take()
            value = power(value, self._superscript())
        return value

    def _mixed(self, whole: Scalar) -> Scalar:
        """2\\frac{1}{3} is 7/3, but 2\\frac{x}{3} a product."""
        start = self._at
        fraction = self._primary()
        if self._next in ("^", "!"):
            raise Unknown
        if not all(t.isdigit() or t in "{}" for t in self._tokens[start + 1 : self._at]):
            return multiply(whole, fraction)
        if not 0 < fraction[0].real < 1:
            raise Unknown
        return add(whole, fraction)

    def _superscript(self) -> Scalar:
        value = self._argument()
        if self._next == "^":
            self._take()
            return power(value, self._superscript())
        return value

    def _argument(self) -> Scalar:
        """What a command or "^" takes: one sign, or a group."""
        if self._next not in ("{", "(") and len(self._next) > 1 and not _is_letter(self._next):
            raise Unknown  # "x^12" is x^1 2 in LaTeX, and meant as x^{12}
        return self._primary()

    def _primary(self) -> Scalar:
        token = self._take()
        if _is_number(token):
            if len(token.replace(".", "").lstrip("0")) > _MAX_DIGITS:
                raise Unknown
            return constant(float(token))
        if token in ("(", "{"):
            value = self._expression()
            self._expect(_CLOSING[token][0])
            return value
        if token == r"\frac":
            return divide(self._argument(), self._argument())
        if token == r"\sqrt":
            return self._root()
        if token[1:] in FUNCTIONS and token[0] == "\\":
            return self._function(token[1:])
        if token in _CONSTANTS:
            return constant(_CONSTANTS[token])
        if not _is_letter(token) or (token in _MAY_BE_FUNCTIONS and self._next == "("):
            raise Unknown
        return letter(token)

    def _root(self) -> Scalar:
        degree = constant(2.0)
        if self._next == "[":
            self._take()
            degree = self._expression()
            self._expect("]")
        return root(self._argument(), degree)

    def _function(self, name: str) -> Scalar:
        exponent = constant(1.0)
        if self._next == "^":
            self._take()
            exponent = self._superscript()
            if exponent not in (constant(2.0), constant(3.0), constant(4.0)):
                raise Unknown  # \sin^{-1} is no power
        is_bracketed = self._next in ("(", "{")
        is_multiple = _is_number(self._next)
        value = self._primary()
        if is_multiple and _is_letter(self._next) and self._next[1:] not in FUNCTIONS:
            value = multiply(value, self._primary())
        if self._next in ("^", "!", "("):
            raise Unknown
        if not is_bracketed and (self._next in ("*", "/") or self._is_argument_going_on()):
            raise Unknown
        return power(apply(name, value), exponent)

    def _is_argument_going_on(self) -> bool:
        """ "sin xy", but not "sin x cos y"."""
        return self._starts_factor() and self._next[1:] not in FUNCTIONS

    @property
    def _next(self) -> str:
        return self._tokens[self._at]

    def _take(self) -> str:
        token = self._next
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise Unknown


def _is_number(token: str) -> bool:
    return "0" <= token[:1] <= "9" or token[:1] == "." != token


def _is_letter(token: str) -> bool:
    if token[:1] == "\\":
        return bool(_GREEK.fullmatch(token)) or token in _CONSTANTS or token[1:] in FUNCTIONS
    return len(token) == 1 and token.isascii() and token.isalpha()
