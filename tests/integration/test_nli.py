from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Literal

import pytest
from tiny_cross_encoder import tiny_cross_encoder

from empo_serve.config import SemanticsSection
from empo_serve.errors import StartupError
from empo_serve.semantics.base import Verdict
from empo_serve.semantics.cascade import make_equivalence
from empo_serve.semantics.nli import NliEquivalence

pytestmark = pytest.mark.slow

QUESTION = "Why is it so?"
WORDS = ("rain", "sun", "snow", "wind", "heat", "frost", "fog", "hail", "storm")
PAIRS = list(itertools.combinations(WORDS, 2))
LABELS = ("contradiction", "neutral", "entailment")


@pytest.fixture(scope="module")
def model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder(tmp_path_factory.mktemp("nli") / "model", LABELS, (0, 1, 2))


def section(directory: Path, mode: Literal["strict", "loose"] = "strict") -> SemanticsSection:
    return SemanticsSection(equivalence="nli", nli_model=str(directory), nli_mode=mode)


def labels_of(directory: Path, pairs: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What the model itself says of each pair, there and back, one input at a time."""
    from sentence_transformers import CrossEncoder

    model: Any = CrossEncoder(str(directory), device="cpu", local_files_only=True)

    def label(a: str, b: str) -> str:
        scores = model.predict([(f"{QUESTION} {a}", f"{QUESTION} {b}")], show_progress_bar=False)
        return str(model.config.id2label[int(scores[0].argmax())]).lower()

    return [(label(a, b), label(b, a)) for a, b in pairs]


@pytest.mark.parametrize(
    ("mode", "same"),
    [
        # Rows: Farquhar et al.'s two modes (jlko/semantic_uncertainty, get_semantic_ids), with
        # "not the same" split into a contradiction and "cannot tell".
        ("strict", {("entailment", "entailment"): True}),
        (
            "loose",
            {
                ("entailment", "entailment"): True,
                ("entailment", "neutral"): True,
                ("neutral", "entailment"): True,
            },
        ),
    ],
)
def test_verdicts_follow_from_the_labels_of_both_directions(
    model_dir: Path, mode: Literal["strict", "loose"], same: dict[tuple[str, str], bool]
) -> None:
    labels = labels_of(model_dir, PAIRS)
    assert {label for both in labels for label in both} == set(LABELS)
    assert len(set(labels)) >= 5  # the table is really tried
    expected = [
        Verdict(False if "contradiction" in both else same.get(both), "nli") for both in labels
    ]
    assert NliEquivalence(section(model_dir, mode)).same(QUESTION, PAIRS) == expected


@pytest.mark.parametrize("order", [(2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_the_order_of_the_labels_is_the_models_own(
    model_dir: Path, tmp_path: Path, order: tuple[int, int, int]
) -> None:
    names = [LABELS[i].upper() for i in order]
    other = tiny_cross_encoder(tmp_path / "model", names, order)
    assert NliEquivalence(section(other)).same(QUESTION, PAIRS) == NliEquivalence(
        section(model_dir)
    ).same(QUESTION, PAIRS)


def test_all_pairs_go_through_the_model_in_batches_and_only_where_it_is_needed(
    model_dir: Path,
) -> None:
    nli = NliEquivalence(section(model_dir))
    nli.load()
    sizes: list[int] = []
    nli._model.register_forward_pre_hook(
        lambda _, args: sizes.append(len(args[0]["input_ids"]))  # what the model really sees
    )
    nli.same(QUESTION, [("", "rain"), ("rain", "Rain"), ("I don't know.", "sun")])
    assert sizes == []
    nli.same(QUESTION, PAIRS[:10])
    assert sizes == [20]
    nli.same(QUESTION, PAIRS)
    assert sizes[1:] == [32, 32, 8]


def test_the_question_is_before_both_sides(model_dir: Path) -> None:
    nli = NliEquivalence(section(model_dir))
    by_question = [nli.same(question, PAIRS) for question in ("who", "where", "when", "how")]
    assert any(verdicts != by_question[0] for verdicts in by_question)


def test_hostile_text_gets_a_verdict(model_dir: Path) -> None:
    nli = NliEquivalence(section(model_dir))
    verdicts = nli.same("x" * 100_000, [("rain", "sun \ud800 x"), ("rain", "y" * 100_000)])
    assert [verdict.method for verdict in verdicts] == ["nli", "nli"]


def test_what_the_model_cannot_tell_is_different_in_the_end(model_dir: Path) -> None:
    nli = make_equivalence(section(model_dir))
    assert all(verdict.same is not None for verdict in nli.same(QUESTION, PAIRS))
    verdicts = nli.same(QUESTION, [("rain", "rain"), ("", "")])
    assert verdicts == [Verdict(True, "exact"), Verdict(False, "empty")]


def test_auto_asks_the_model_about_what_is_still_open(model_dir: Path) -> None:
    # With so high a threshold similarity leaves the first pair open.
    auto = make_equivalence(SemanticsSection(nli_model=str(model_dir), embedding_threshold=1.0))
    try:
        a = "Because the wind carries warm air from the south over the hills."
        b = "Dry heat follows when southerlies blow."
        verdicts = auto.same(QUESTION, [(a, b), ("rain", "snow"), ("5 km", "5000 m")])
    finally:
        auto.close()
    assert [verdict.method for verdict in verdicts] == ["nli", "text", "number"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (("no", "yes"), "has the labels no, yes; a model trained on NLI has"),
        (("label_0", "label_1", "label_2"), "has the labels label_0"),
    ],
)
def test_a_model_that_is_not_for_nli_is_refused_at_the_start(
    tmp_path: Path, labels: tuple[str, ...], message: str
) -> None:
    directory = tiny_cross_encoder(tmp_path / "model", labels, range(len(labels)))
    with pytest.raises(StartupError, match=message):
        NliEquivalence(section(directory)).load()


def test_a_missing_model_is_named_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="/no/such/model is no directory"):
        make_equivalence(section(Path("/no/such/model")))
    with pytest.raises(StartupError, match=r"cannot load semantics.nli_model .*; download"):
        make_equivalence(section(tmp_path)).load()
