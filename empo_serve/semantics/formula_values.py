"""Floating point arithmetic on formulas that stand for a number at a few fixed points.

Each operation keeps about 9 digits right or raises Unknown: so values that differ by more than
`_APART` are different, and values that agree to `_TOGETHER` are the same.
"""

from __future__ import annotations

import cmath
import math
import random
from collections.abc import Callable
from functools import lru_cache

# One number per point. Letters have a value at each, constants the same at all.
Scalar = tuple[complex, ...]

NUM_POINTS = 3
INFINITY = 1.25e200  # \infty: its own equal, and far from every other number

_TOGETHER = 1e-10  # relative
_APART = 1e-4  # relative; between them a value could be the other one, rounded
_MAX_IMBALANCE = 1e9  # of two summands: the smaller one must not vanish in the rounding
_MAX_DIGITS = 1e7  # of a power or factorial that SymPy would write out
_MAX_EXPONENT = 64.0  # a power multiplies the relative error by its exponent


class Unknown(Exception):
    """No value that could be relied on."""


class Explosive(Unknown):
    """A number with so many digits that SymPy would not come to an end."""


def constant(value: complex) -> Scalar:
    return (value,) * NUM_POINTS


@lru_cache(maxsize=256)
def letter(name: str) -> Scalar:
    """Values for a variable: some of either sign, so that sqrt(x^2) is not x."""
    rng = random.Random(name)  # the same in every process
    signs = [1, *(rng.choice([1, -1]) for _ in range(NUM_POINTS - 2)), -1]
    return tuple(sign * rng.uniform(0.5, 2.0) for sign in signs)


def add(a: Scalar, b: Scalar) -> Scalar:
    return _at_each(_add, a, b)


def subtract(a: Scalar, b: Scalar) -> Scalar:
    return add(a, negate(b))


def negate(a: Scalar) -> Scalar:
    return tuple(-x for x in a)


def multiply(a: Scalar, b: Scalar) -> Scalar:
    return _at_each(lambda x, y: x * y, a, b)


def divide(a: Scalar, b: Scalar) -> Scalar:
    return _at_each(_divide, a, b)


def power(base: Scalar, exponent: Scalar) -> Scalar:
    """Raises Explosive for a constant with more than `_MAX_DIGITS` digits."""
    if (
        len(set(base)) == len(set(exponent)) == 1
        and _num_digits(base[0], exponent[0]) > _MAX_DIGITS
    ):
        raise Explosive
    return _at_each(_power, base, exponent)


def factorial(a: Scalar) -> Scalar:
    n = a[0]
    if len(set(a)) > 1 or isinstance(n, complex) or n < 0 or n != int(n):
        raise Unknown
    if n * math.log10(n + 1) > _MAX_DIGITS:
        raise Explosive
    return constant(_checked(math.gamma, n + 1))


def root(a: Scalar, degree: Scalar) -> Scalar:
    return power(a, divide(constant(1.0), degree))


def apply(function: str, a: Scalar) -> Scalar:
    values = tuple(_checked(_FUNCTIONS[function], x) for x in a)
    # sin(pi) is not quite 0, and tan(pi/2) not infinite.
    if any(0 < abs(v) < 1e-9 or abs(v) > 1e9 for v in values) or any(abs(x) > 1e3 for x in a):
        raise Unknown
    return values


_FUNCTIONS: dict[str, Callable[[complex], complex]] = {
    "sin": cmath.sin,
    "cos": cmath.cos,
    "tan": cmath.tan,
    "arcsin": cmath.asin,
    "arccos": cmath.acos,
    "arctan": cmath.atan,
    "sinh": cmath.sinh,
    "cosh": cmath.cosh,
    "tanh": cmath.tanh,
    "ln": cmath.log,
}
FUNCTIONS = frozenset(_FUNCTIONS)


def same_scalar(a: Scalar, b: Scalar) -> bool | None:
    """True when all points agree, False when all are apart."""
    gaps = [abs(x - y) / max(abs(x), abs(y)) if x != y else 0.0 for x, y in zip(a, b, strict=True)]
    if all(gap <= _TOGETHER for gap in gaps):
        return True
    return False if all(gap > _APART for gap in gaps) else None


def _at_each(operation: Callable[[complex, complex], complex], a: Scalar, b: Scalar) -> Scalar:
    return tuple(_checked(operation, x, y) for x, y in zip(a, b, strict=True))


def _checked(operation: Callable[..., complex], *operands: complex) -> complex:
    try:
        value = operation(*operands)
    except (ArithmeticError, ValueError) as e:
        raise Unknown from e
    if not cmath.isfinite(value) or 0 < abs(value) < 1e-100:
        raise Unknown
    if isinstance(value, complex) and value.imag == 0:
        return value.real
    return value


def _add(x: complex, y: complex) -> complex:
    if not x or not y:
        return x + y
    total = x + y
    larger, smaller = max(abs(x), abs(y)), min(abs(x), abs(y))
    # Where little is left of the summands, what is left may be rounding.
    if larger > _MAX_IMBALANCE * smaller or 0 < abs(total) < 1e-4 * larger:
        raise Unknown
    return total


def _divide(x: complex, y: complex) -> complex:
    if abs(y) >= INFINITY / 1e9:
        raise Unknown
    return x / y


def _power(x: complex, y: complex) -> complex:
    is_exact = isinstance(x, float) and x.is_integer()
    if abs(x) >= INFINITY / 1e9 or (abs(y) > _MAX_EXPONENT and not is_exact):
        raise Unknown
    return x**y


def _num_digits(base: complex, exponent: complex) -> float:
    if isinstance(base, complex) or isinstance(exponent, complex) or base in (0, 1, -1):
        return 0.0
    return abs(exponent * math.log10(abs(base)))
