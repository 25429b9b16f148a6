from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from empo_serve.semantics.formulas import read_formula, same_value


def same(a: str, b: str) -> bool | None:
    forward, back = (
        same_value(read_formula(a), read_formula(b)),
        same_value(read_formula(b), read_formula(a)),
    )
    assert forward == back
    return forward


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("\\frac{1}{2}", "0.5"),
        ("\\frac{14}{3}", "\\tfrac{14}3"),
        ("\\dfrac12", "$\\frac{2}{4}$"),
        ("137\\frac{1}{2}", "\\frac{275}{2}"),
        ("-3\\frac12", "-3.5"),
        ("2\\frac{x}{3}", "\\frac{2x}{3}"),
        ("(x-2)(x-3)", "(x - 3)(x - 2)"),
        ("x^2-5x+6", "(x - 3)(x - 2)"),
        ("2\\sqrt{3} + 1", "1 + \\sqrt{12}"),
        ("\\frac{5}{\\sqrt2}", "\\dfrac{5\\sqrt2}{2}"),
        ("\\sqrt[3]{x}", "x^{1/3}"),
        ("x = 5", "5"),
        ("4\\pi", "$4 \\pi$"),
        ("e^{2x}(2\\sin x + \\cos x)", "2e^{2x}\\sin x + e^{2x}\\cos x"),
        ("\\sin 2x", "2\\sin x\\cos x"),
        ("\\sin^2 x + \\cos^{2}(x)", "1"),
        ("3+4i", "4i + 3"),
        ("9**2**2", "9^{4}"),
        ("5!", "120"),
        ("76^\\circ", "76^{\\circ}$"),
        ("\\left(3,\\dfrac{\\pi}{2}\\right)", "(3, \\pi/2)"),
        ("(2, \\infty)", "x \\in (2, ∞)"),
        ("(2,12) \\cup (12,102)", "x\\in (12, 102) ∪ (2, 12)"),
        ("\\{1, 2\\}", "2, 1"),
        ("$1$ and $-2$", "-2, 1"),
        (
            "\\begin{pmatrix} 1/5 \\\\ -18/5 \\end{pmatrix}",
            "\\begin{bmatrix} 0.2 \\\\[2pt] -3.6 \\end{bmatrix}",
        ),
    ],
)
def test_one_value_in_two_spellings(a: str, b: str) -> None:
    assert same(a, b) is True


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("2\\sqrt{5}", "5\\sqrt{2}"),
        ("-\\frac{\\pi}{6}", "\\frac{\\pi}{6}"),
        ("3.14", "\\pi"),
        ("x + 1", "y + 1"),
        ("x^2", "2x"),
        ("3+4i", "3-4i"),
        ("76^\\circ", "86^\\circ"),
        ("(2, 3)", "(3, 2)"),
        ("(2, 3)", "(2, 3, 4)"),
        ("[-\\sqrt{3}, \\sqrt{3}]", "(-\\sqrt{3}, \\sqrt{3})"),
        ("(2,102)", "(2,12) \\cup (12,102)"),
        ("(-\\infty, 3)", "(\\infty, 3)"),
        ("1, 2", "1, 3"),
        ("\\begin{pmatrix} 1 & 2 \\end{pmatrix}", "\\begin{pmatrix} 1 \\\\ 2 \\end{pmatrix}"),
    ],
)
def test_two_values(a: str, b: str) -> None:
    assert same(a, b) is False


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("10^{20} + 1", "10^{20}"),  # the 1 is lost in the rounding
        ("1 + e^{-40}", "1"),
        ("123456789123", "123456789124.0x/x"),
        ("\\sqrt{x^2}", "x"),  # true of x > 0
        ("0.333333", "\\frac13"),  # a value, and the same rounded
        ("\\sin(\\pi)", "0"),
        ("76^\\circ", "76"),
        ("x = 5", "y = 5"),
        ("5", "\\{5\\}"),
        ("(1,2] \\cup [2,3)", "(1,1.5] \\cup (1.5,3)"),
        ("\\infty + 1", "\\infty"),
        ("\\frac{1}{0}", "\\frac{2}{0}"),
    ],
)
def test_values_that_do_not_tell(a: str, b: str) -> None:
    assert same(a, b) is None


@pytest.mark.parametrize(
    "text",
    [
        "1/2x",
        "1/2\\sqrt{3}",
        "x^12",
        "\\sin xy",
        "\\sin x^2",
        "\\sin^{-1} x",
        "\\sin \\pi/6",
        "\\sin 30^\\circ",
        "f(x)",
        "P(A)",
        "x_1",
        "f'",
        "1,000",
        "3,5",
        "1, 2 \\cup 3",
        "2 3",
        "2\\frac{3}{2}",
        "x^2 + y^2 = 1",
        "x < 2",
        "50\\%",
        "50%",
        "\\$5",
        "|x|",
        "am",
        "the point 5",
        "\\text{even}",
        "\\mathbf{I}",
        "\\begin{vmatrix} 1 & 2 \\\\ 3 & 4 \\end{vmatrix}",
        "(1, 2",
        "(1, 2)]",
        "",
        "((((" * 70,
        "{" * 21 + "1" + "}" * 21,
        "1+" * 200 + "1",
        "\x00",
        "\u00b9",
        "\u0663",
        "\ud800",
    ],
)
def test_what_could_be_read_in_two_ways_is_not_read(text: str) -> None:
    formula = read_formula(text)
    assert formula.node is None
    assert not formula.is_explosive


@pytest.mark.parametrize(
    "text", ["9**9**9", "$9^{9^{9^{9}}}$", "(10^{100})!", "2x + 10^{10^{10}}", "0.5^{9^{9}}"]
)
def test_a_number_without_end_is_recognised(text: str) -> None:
    assert read_formula(text).is_explosive


@pytest.mark.parametrize("text", ["10^{400}", "x^{9^9}", "1^{9^9}", "100!", "1000!", "0^{9^9}"])
def test_a_large_number_is_left_to_exact_arithmetic(text: str) -> None:
    assert not read_formula(text).is_explosive


TOKENS = [*"129xei+-*/^!(){}[],", "\\frac", "\\sqrt", "\\sin", "\\pi", "\\cup", "and"]


@given(st.lists(st.sampled_from(TOKENS), max_size=60).map(" ".join) | st.text(max_size=60))
def test_any_text_is_read_or_not_without_an_error(text: str) -> None:
    formula = read_formula(text)
    assert same_value(formula, formula) in ((True, None) if formula.node else (None,))
