"""The measures of bench/evaluate.py, its files of questions and its files of answers."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "bench"))
from accuracy import average, estimate, majority, pass_at_k
from answers import Answer, Answered, AnswerFile, Settings
from evaluate import main
from grading import Grade, Grader
from questions import Question, Template, read_questions

from empo_serve.errors import ConfigError

Graders = dict[Grade, Grader]
SETTINGS = Settings("model", "v1", "", "", 16, 2, 1.0)
QUESTION = Question("sums", "a", "What is 1 + 1?", ("2",))


def answered(question: Question = QUESTION) -> Answered:
    answers = (Answer("2", False), Answer("three, or", True))
    return Answered(question.file, question.id, "sampled", question.text, "v1", answers)


# Measures.


@pytest.mark.parametrize("num_samples", [1, 2, 5, 7])
def test_pass_at_k_is_the_share_of_all_subsets_that_hold_a_right_sample(num_samples: int) -> None:
    for num_right in range(num_samples + 1):
        samples = [True] * num_right + [False] * (num_samples - num_right)
        for k in range(1, num_samples + 1):
            subsets = [any(subset) for subset in itertools.combinations(samples, k)]
            expected = sum(subsets) / len(subsets)
            assert pass_at_k(num_samples, num_right, k) == pytest.approx(expected)


def test_pass_at_k_wants_as_many_samples() -> None:
    with pytest.raises(ValueError, match="pass@3 needs at least 3 samples"):
        pass_at_k(2, 1, 3)


@pytest.mark.parametrize(
    ("ids", "is_right", "expected"),
    [
        ([0, 0, 1], [True, True, False], 1.0),
        ([0, 1, 1], [True, False, False], 0.0),
        ([0, 1, 0, 1], [True, False, True, False], 0.5),  # one of two is drawn
        ([0, 1, 2], [False, True, False], 1 / 3),
        ([0, 0], [True, False], 0.5),  # a cluster that holds both
    ],
)
def test_majority_draws_one_of_the_largest_clusters(
    ids: list[int], is_right: list[bool], expected: float
) -> None:
    assert majority(ids, ["x"] * len(ids), is_right) == pytest.approx(expected)


def test_samples_without_an_answer_have_no_vote() -> None:
    assert majority([0, 1, 2, 3], ["", "", "", "2"], [False, False, False, True]) == 1.0
    assert majority([0, 1], ["", ""], [False, False]) == 0.0


def test_interval_holds_the_mean_and_narrows_with_more_questions() -> None:
    few, many = estimate([0.0, 1.0] * 10, seed=1), estimate([0.0, 1.0] * 1000, seed=1)
    assert few.low < few.mean == 0.5 < few.high
    assert many.high - many.low < (few.high - few.low) / 5
    assert estimate([0.0, 1.0] * 10, seed=1).low == few.low


def test_average_counts_each_file_the_same_and_is_more_certain_than_one() -> None:
    files = [estimate([1.0] * 3 + [0.0] * 1, seed=1), estimate([0.0, 1.0] * 100, seed=2)]
    both = average(files)
    assert both.mean == pytest.approx((0.75 + 0.5) / 2)
    assert both.high - both.low < files[0].high - files[0].low
    assert np.isnan(average([files[0], estimate([], seed=3)]).mean)


# Grading.


@pytest.fixture(scope="module")
def graders() -> Iterator[Graders]:
    both: Graders = {"equivalence": Grader("equivalence", 1), "substring": Grader("substring", 1)}
    yield both
    for grader in both.values():
        grader.close()


def grade(graders: Graders, kind: Grade, gold: str, *texts: Answer) -> tuple[bool | None, ...]:
    question = Question("f", "q", "What is the value of $x$?", (gold,))
    return graders[kind].grade(question, texts).is_right


def test_the_final_answer_is_compared_and_not_the_reasoning(graders: Graders) -> None:
    texts = (
        Answer("It is not 7. So $x = \\boxed{\\frac{14}{2}}$.", False),
        Answer("It is 7 at first, then \\boxed{8}", False),
        Answer("", False),
    )
    assert grade(graders, "equivalence", "7", *texts) == (True, False, False)


def test_a_text_that_was_cut_counts_only_with_a_complete_box(graders: Graders) -> None:
    texts = (
        Answer("\\boxed{7} and now another question: what", True),
        Answer("The answer is 7", True),
        Answer("so \\boxed{7", True),
    )
    assert grade(graders, "equivalence", "7", *texts) == (True, False, False)


def test_substring_reads_the_whole_text(graders: Graders) -> None:
    texts = (Answer("it is PARIS, of", True), Answer("Lyon", False))
    assert grade(graders, "substring", "Paris", *texts) == (True, False)


def test_equal_answers_in_other_words_are_one_cluster(graders: Graders) -> None:
    texts = (Answer("\\boxed{0.5}", False), Answer("\\boxed{\\frac12}", False), Answer("", False))
    assert graders["equivalence"].grade(QUESTION, texts).semantic_ids == (0, 0, 1)


# Questions.


def test_questions_are_read_from_both_names_and_further_keys_are_ignored(tmp_path: Path) -> None:
    file = tmp_path / "sums.jsonl"
    file.write_text(
        '{"id": "a", "question": "1 + 1?", "gold": ["2", "two"], "level": 1}\n\n'
        '{"id": "b", "prompt": "2 + 2?\\u2028", "gold": ["4"]}\n'
    )
    assert read_questions(file, needs_gold=True) == [
        Question("sums", "a", "1 + 1?", ("2", "two")),
        Question("sums", "b", "2 + 2?\u2028", ("4",)),
    ]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"{", "not valid JSON"),
        (b'"text"', "must be a JSON object"),
        (b"\xff", "not UTF-8 text"),
        (b'{"question": "q", "gold": ["1"]}', '"id" must be a text'),
        (b'{"id": "b", "gold": ["1"]}', '"question" or "prompt" must be a text'),
        (b'{"id": "b", "question": " ", "gold": ["1"]}', '"question" or "prompt" must be a text'),
        (b'{"id": "b", "question": "q"}', '"gold" must be a list'),
        (b'{"id": "b", "question": "q", "gold": "1"}', '"gold" must be a list'),
        (b'{"id": "b", "question": "q", "gold": [1]}', '"gold" must be a list'),
        (b'{"id": "a", "question": "q", "gold": ["1"]}', "the id 'a' occurs twice"),
    ],
)
def test_a_bad_line_ends_with_code_2_and_its_file_and_number(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], line: bytes, complaint: str
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_bytes(b'{"id": "a", "question": "q", "gold": ["1"]}\n' + line + b"\n")
    assert main([str(file), "--out", str(tmp_path / "out.jsonl")]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"evaluate: {file}, line 2: {complaint}")
    assert len(said.splitlines()) == 1


def test_traffic_needs_no_gold_and_never_keeps_any(tmp_path: Path) -> None:
    file = tmp_path / "traffic.jsonl"
    file.write_text('{"id": "a", "question": "q"}\n{"id": "b", "question": "p", "gold": ["1"]}\n')
    assert [question.gold for question in read_questions(file, needs_gold=False)] == [(), ()]


def test_a_template_puts_words_around_the_question_and_nothing_by_default() -> None:
    plain = [{"role": "user", "content": QUESTION.text}]
    assert Template().messages(QUESTION) == plain
    assert Template("Reason.", "Box it.").messages(QUESTION) == [
        {"role": "system", "content": "Reason."},
        {"role": "user", "content": f"{QUESTION.text}\nBox it."},
    ]


# Answers.


def test_answers_are_there_again_when_their_file_is_opened_again(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with AnswerFile(path, SETTINGS) as answers:
        assert answers.find(QUESTION, "sampled") is None
        answers.add(answered())
    with AnswerFile(path, SETTINGS) as answers:
        assert answers.find(QUESTION, "sampled") == answered()
        assert answers.find(QUESTION, "greedy") is None
    assert len(path.read_text().splitlines()) == 2


def test_half_a_line_of_a_killed_run_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    other = Question("sums", "b", "2 + 2?", ("4",))
    with AnswerFile(path, SETTINGS) as answers:
        answers.add(answered())
        answers.add(answered(other))
    path.write_bytes(path.read_bytes()[:-20])
    with AnswerFile(path, SETTINGS) as answers:
        assert answers.find(QUESTION, "sampled") == answered()
        assert answers.find(other, "sampled") is None
        answers.add(answered(other))
    assert all(json.loads(line) for line in path.read_text().splitlines())
    with AnswerFile(path, SETTINGS) as answers:
        assert answers.find(other, "sampled") == answered(other)


def test_other_settings_are_refused_and_the_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with AnswerFile(path, SETTINGS) as answers:
        answers.add(answered())
    before = path.read_bytes()
    other = Settings("model", "v2", "", "", 16, 2, 1.0)
    with pytest.raises(ConfigError, match="was written with version = 'v1', not 'v2'"):
        AnswerFile(path, other)
    assert path.read_bytes() == before


def test_an_id_that_stands_for_another_question_now_is_refused(tmp_path: Path) -> None:
    with AnswerFile(tmp_path / "out.jsonl", SETTINGS) as answers:
        answers.add(answered())
        with pytest.raises(ConfigError, match="another question a of sums"):
            answers.find(Question("sums", "a", "What is 2 + 2?", ("4",)), "sampled")


@pytest.mark.parametrize("content", ["notes of mine", '{"a": 1}\n', "{}\n[]\n", "1\n"])
def test_a_file_that_is_not_ours_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "notes.txt"
    path.write_text(content)
    with pytest.raises(ConfigError, match="is not a file of answers"):
        AnswerFile(path, SETTINGS)
    assert path.read_text() == content


# The command.


def test_bad_usage_is_told_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "q.jsonl"
    file.write_text('{"id": "a", "question": "q", "gold": ["1"]}\n')
    common = [str(file), "--out", str(tmp_path / "o"), "--model", "m"]
    assert main([*common, "--k", "4", "--num-samples", "2"]) == 2
    assert capsys.readouterr().err == "evaluate: --k 4 needs --num-samples 4 or more\n"
    assert main([*common, "--api-key-env", "NO_SUCH_KEY"]) == 2
    assert "NO_SUCH_KEY of --api-key-env is not set" in capsys.readouterr().err
    assert main([*common[:1], *common]) == 2
    assert "two files are called q: rename one" in capsys.readouterr().err
    assert not (tmp_path / "o").exists()
