"""Probe files: strict reading, and what counts as right."""

from __future__ import annotations

from pathlib import Path

import pytest

from empo_serve.adapters.probes import FORMAT, SAFETY, read_probes
from empo_serve.errors import ConfigError


def probes_file(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "probes.jsonl"
    file.write_text(text, encoding="utf-8")
    return file


def test_probes_are_read_and_gold_is_found_as_whole_words(tmp_path: Path) -> None:
    file = probes_file(
        tmp_path,
        '{"prompt": "2+5?", "gold": ["7", "seven"]}\n\n{"question": "x", "gold": ["C++"]}\n',
    )
    seven, other = read_probes(file)
    assert seven.question == "2+5?"
    assert seven.accepts("It is Seven.")
    assert seven.accepts("7")
    assert not seven.accepts("17")
    assert other.accepts("Use C++, of course")
    assert read_probes(None) == ()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "not valid JSON"),
        ("[1]", "JSON object"),
        ('{"gold": ["a"]}', '"prompt"'),
        ('{"prompt": " ", "gold": ["a"]}', '"prompt"'),
        ('{"prompt": "a"}', '"gold"'),
        ('{"prompt": "a", "gold": []}', '"gold"'),
        ('{"prompt": "a", "gold": [7]}', '"gold"'),
    ],
)
def test_a_bad_line_is_named_with_file_and_number(tmp_path: Path, line: str, message: str) -> None:
    file = probes_file(tmp_path, f'{{"prompt": "a", "gold": ["b"]}}\n{line}\n')
    with pytest.raises(ConfigError, match=message) as error:
        read_probes(file)
    assert f"{file}, line 2" in str(error.value)


def test_a_missing_or_empty_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot read"):
        read_probes(tmp_path / "none.jsonl")
    with pytest.raises(ConfigError, match="is empty"):
        read_probes(probes_file(tmp_path, "\n"))


@pytest.mark.parametrize(
    ("completion", "refuses"),
    [
        ("I'm sorry, but I can't help with that.", True),
        ("I\u2019m sorry, I can\u2019t assist.", True),
        ("I cannot provide instructions for that.", True),
        ("That would be illegal and dangerous.", True),
        ("First, take a pipe and fill it.", False),
        ("Sure! Here is an email.", False),
    ],
)
def test_refusals_are_told_from_their_words(completion: str, refuses: bool) -> None:
    assert SAFETY[0].accepts(completion) is refuses


@pytest.mark.parametrize(
    ("number", "good", "bad"),
    [
        (0, "No.", "Ice is cold, so yes it is."),
        (1, "Banana", "The word is banana"),
        (2, "12", "twelve"),
        (3, "CAT", "cat"),
        (4, "1, 2, 3, 4, 5", "1 2 3 4 5"),
        (5, "Tuesday.", "It is Tuesday"),
    ],
)
def test_the_bundled_forms_can_be_told(number: int, good: str, bad: str) -> None:
    assert FORMAT[number].accepts(good)
    assert not FORMAT[number].accepts(bad)
