from __future__ import annotations

import pytest

from empo_serve.semantics.equations import as_interval, balanced, solutions


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x = 2 or x = -5", "2 or -5"),
        ("$x = -5$ and $x = 2$", "-5 or 2"),
        ("$x=3$, $y=2$", "(3, 2)"),
        ("y = 2, x = 3", "(3, 2)"),
        ("x = 3", None),
        ("x = 3 because y = 2", None),
        ("Paris", None),
    ],
)
def test_the_values_of_several_equations(text: str, expected: str | None) -> None:
    assert solutions(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-2 < x < 4", "(-2,4)"),
        ("$-2 \\le x < 4$", "[-2,4)"),
        ("4 > x ≥ -2", "[-2,4)"),
        ("x < -2 or x \\ge 2", "(-\\infty,-2)\\cup[2,\\infty)"),
        ("3 <= x", "[3,\\infty)"),
        ("x + y < 3", "x + y < 3"),
        ("-2 < x > 4", "-2 < x > 4"),
        ("(3, 4)", "(3, 4)"),
        ("a < b", "a < b"),
    ],
)
def test_inequalities_become_intervals(text: str, expected: str) -> None:
    assert as_interval(text) == expected


def test_a_formula_cut_at_its_equals_sign_keeps_no_single_dollar() -> None:
    assert balanced("3x^2 - 2$") == "3x^2 - 2"
    assert balanced("$5") == "$5"
