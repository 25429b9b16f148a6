"""Held-out questions: a fixed share, the same for ever."""

from __future__ import annotations

from empo_serve.buffer.heldout import HeldOut

QUESTIONS = [f"What is the capital of country {number}?" for number in range(2000)]


def test_about_the_wanted_share_is_held_out() -> None:
    assert 150 < sum(map(HeldOut(0.1), QUESTIONS)) < 250
    assert not any(map(HeldOut(0.0), QUESTIONS))


def test_a_larger_share_holds_out_what_a_smaller_one_does() -> None:
    small, large = HeldOut(0.1), HeldOut(0.3)
    assert all(large(question) for question in QUESTIONS if small(question))


def test_case_and_spacing_do_not_move_a_question_to_the_other_side() -> None:
    heldout = HeldOut(0.5)
    for question in QUESTIONS[:50]:
        assert heldout(question) == heldout(f"  {question.upper()} \n")


def test_probes_are_always_held_out() -> None:
    heldout = HeldOut(0.0, ["What is the capital of Peru?"])
    assert heldout("what is the capital of  Peru?")
    assert not heldout("What is the capital of Chile?")
