"""What every Equivalence promises, and what each one adds."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Literal, get_args

import pytest
from tiny_cross_encoder import tiny_cross_encoder

from empo_serve.config import SemanticsSection
from empo_serve.errors import ScorerError, StartupError
from empo_serve.semantics.base import Equivalence
from empo_serve.semantics.cascade import make_equivalence
from empo_serve.semantics.cluster import semantic_ids
from empo_serve.semantics.judge import JudgeEquivalence
from empo_serve.semantics.math_workers import MathWorkers

Method = Literal["rules", "embedding", "auto"]
QUESTION = "What is the capital of France?"
ANSWERS = [
    "Paris",
    "The capital of France is Paris.",
    "Lyon",
    "I think that it may well be a rather large city in the north of that country.",
    "\\frac{1}{2}",
    "0.5",
    "",
    "   ",
]
WITHOUT_END = "$9^{9^{9^{9}}}$"
HOSTILE = [
    WITHOUT_END,
    "9**9**9",
    "\\boxed{" + "\\frac{1}{" * 400 + "2" + "}" * 400 + "}",
    "(" * 5000,
    "\\sqrt{" * 100_000,
    "$" + "x+" * 500_000 + "1$",
    "1," * 10_000,
    "\x00",
    "a\x00b",
    "\ud800",
    "\u202e\u0301" * 1000,
    "1e999",
    "1/0",
    "NaN",
    "{[(",
]


@pytest.fixture(scope="module", params=get_args(Method))
def equivalence(request: pytest.FixtureRequest) -> Iterator[Equivalence]:
    judge = make_equivalence(SemanticsSection(equivalence=request.param, math_timeout_s=3))
    judge.load()
    yield judge
    judge.close()


@pytest.fixture(scope="module", params=[*get_args(Method), "nli", "judge"])
def any_equivalence(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Equivalence]:
    """Those too whose model here means nothing: the law must not depend on the model."""
    if request.param == "nli":
        directory = tmp_path_factory.mktemp("nli") / "model"
        tiny_cross_encoder(directory, ("contradiction", "neutral", "entailment"), (0, 1, 2))
        section = SemanticsSection(equivalence="nli", nli_model=str(directory))
        made = make_equivalence(section)
    elif request.param == "judge":
        section = SemanticsSection(equivalence="judge")
        made = make_equivalence(section, JudgeEquivalence(0.9, of_equal_length))
    else:
        made = make_equivalence(SemanticsSection(equivalence=request.param, math_timeout_s=3))
    made.load()
    yield made
    made.close()


def of_equal_length(question: str, pairs: list[tuple[str, str]]) -> list[float | None]:
    return [float(len(a) == len(b)) for a, b in pairs]


def test_verdicts_are_symmetric(any_equivalence: Equivalence) -> None:
    pairs = [(a, b) for a in ANSWERS for b in ANSWERS]
    verdicts = any_equivalence.same(QUESTION, pairs)
    back = any_equivalence.same(QUESTION, [(b, a) for a, b in pairs])
    assert len(verdicts) == len(pairs)
    assert verdicts == back


def test_an_answer_is_the_same_as_itself(any_equivalence: Equivalence) -> None:
    pairs = [(answer, answer) for answer in ANSWERS if answer.strip()]
    assert all(verdict.same is True for verdict in any_equivalence.same(QUESTION, pairs))


def test_an_empty_answer_is_never_the_same(any_equivalence: Equivalence) -> None:
    for empty in ("", "  ", "I don't know."):
        pairs = [(empty, other) for other in (*ANSWERS, empty)]
        assert all(verdict.same is False for verdict in any_equivalence.same(QUESTION, pairs))


def test_opposites_and_other_names_are_apart(equivalence: Equivalence) -> None:
    pairs = [
        ("hot", "cold"),
        ("Paris", "London"),
        ("The capital is Paris.", "The capital is London."),
        ("It costs 5 euros in the big shop.", "It costs 6 euros in the big shop."),
        (
            "The cat chases the dog through the garden.",
            "The dog chases the cat through the garden.",
        ),
        ("Water is less dense than ice is.", "Water is not less dense than ice is."),
        ("The price of the good goes up in time.", "The price of the good goes down in time."),
    ]
    assert not any(verdict.same for verdict in equivalence.same("What is said?", pairs))


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:16]))
def test_hostile_text_gets_a_verdict_or_none_at_all(
    equivalence: Equivalence, text: str, request: pytest.FixtureRequest
) -> None:
    method = request.node.callspec.params["equivalence"]
    pairs = [(text, "\\frac{1}{2}"), (text, "Paris"), (text, text)]
    if text == WITHOUT_END and method != "embedding":
        with pytest.raises(ScorerError, match="too many digits"):
            equivalence.same("Compute it.", pairs)
        return
    verdicts = equivalence.same("Compute it.", pairs)
    assert len(verdicts) == 3
    assert not verdicts[0].same
    assert not verdicts[1].same


def test_answers_of_several_formulas_never_merge_by_one_of_them(equivalence: Equivalence) -> None:
    pair = ("centre $(2,-3)$, radius $4$", "centre $(-2,3)$, radius $4$")
    assert equivalence.same("Find the centre and the radius.", [pair])[0].same is not True


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: ascii(text[:16]))
def test_hostile_text_ends_no_model(any_equivalence: Equivalence, text: str) -> None:
    for pair in ((text, "Paris"), (text, text)):
        with contextlib.suppress(ScorerError):
            assert len(any_equivalence.same(text, [pair])) == 1


def test_it_works_on_after_hostile_text(equivalence: Equivalence) -> None:
    assert semantic_ids(QUESTION, ["Paris", "Paris.", "Lyon"], equivalence) == [0, 0, 1]


@pytest.fixture(scope="module")
def rules() -> Iterator[Equivalence]:
    judge = make_equivalence(SemanticsSection(equivalence="rules", math_timeout_s=5))
    yield judge
    judge.close()


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("\\frac{1}{2}", "0.5", True),
        ("\\frac{14}{3}", "\\tfrac{14}3", True),
        ("(x-2)(x-3)", "(x - 3)(x - 2)", True),
        ("2\\sqrt{3} + 1", "1 + \\sqrt{12}", True),
        ("x = 5", "5", True),
        ("4\\pi", "$4 \\pi$", True),
        ("2\\sqrt{5}", "5\\sqrt{2}", False),
        ("-\\frac{\\pi}{6}", "\\frac{\\pi}{6}", False),
        ("(2, 3)", "(3, 2)", False),
        ("[-\\sqrt{3}, \\sqrt{3}]", "(-\\sqrt{3}, \\sqrt{3})", False),
    ],
)
def test_mathematics(rules: Equivalence, a: str, b: str, same: bool) -> None:
    assert bool(rules.same("Find it.", [(a, b)])[0].same) is same


def test_a_comparison_without_end_has_no_verdict_and_the_next_one_works() -> None:
    judge = make_equivalence(SemanticsSection(equivalence="rules", math_timeout_s=1.5))
    try:
        judge.load()
        endless = "\\binom{10^{9}}{5\\cdot 10^{8}}"
        with pytest.raises(ScorerError, match="takes too long"):
            judge.same("Compute.", [(endless, "8^{8}")])
        assert judge.same("Compute.", [("x^2 + y^2 = 1", "y^2 + x^2 = 1")])[0].same is True
    finally:
        judge.close()


def test_a_pair_that_cost_a_worker_costs_no_second_one(monkeypatch: pytest.MonkeyPatch) -> None:
    workers = MathWorkers(1, timeout_s=0.5)
    sent: list[tuple[str, str]] = []
    schedule = workers._schedule

    def counted(a: str, b: str) -> Any:
        sent.append((a, b))
        return schedule(a, b)

    monkeypatch.setattr(workers, "_schedule", counted)
    hostile = ("\\binom{10^{9}}{5\\cdot 10^{8}}", "x^2")
    try:
        workers.load()
        for _ in range(2):
            with pytest.raises(ScorerError, match="takes too long"):
                workers.same([hostile])
        assert sent == [hostile]
        # What it was compared with is innocent.
        assert workers.same([("x^2", "x \\cdot x")])[0].same is True
    finally:
        workers.close()


def test_a_missing_model_is_named_at_the_start() -> None:
    section = SemanticsSection(equivalence="embedding", embedding_model="/no/such/model")
    with pytest.raises(StartupError, match="/no/such/model"):
        make_equivalence(section)
