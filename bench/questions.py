"""JSON lines of questions, and the prompt that each becomes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empo_serve.errors import ConfigError

BOXED = "Please reason step by step, and put your final answer within \\boxed{}."


@dataclass(frozen=True, slots=True)
class Question:
    """`file` is the name of its file without the ending. `gold` never leaves this process."""

    file: str
    id: str
    text: str
    gold: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Template:
    """How a question is put. `system` and `suffix` may be empty; `suffix` goes on a line of its
    own."""

    system: str = ""
    suffix: str = ""

    def messages(self, question: Question) -> list[dict[str, str]]:
        text = f"{question.text}\n{self.suffix}" if self.suffix else question.text
        system = [{"role": "system", "content": self.system}] if self.system else []
        return [*system, {"role": "user", "content": text}]


def read_questions(file: Path, needs_gold: bool) -> list[Question]:
    """Read `{"id", "question" or "prompt", "gold": [...]}`; blank lines and other keys are skipped.

    Raises ConfigError with one line that names the file and the first bad line.
    """
    try:
        lines = file.read_bytes().split(b"\n")
    except OSError as e:
        raise ConfigError(f"cannot read {file}: {e.strerror}") from e
    questions: dict[str, Question] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            question = _parse(line, file.stem, needs_gold)
            if question.id in questions:
                raise ValueError(f"the id {question.id!r} occurs twice")
        except ValueError as e:
            raise ConfigError(f"{file}, line {number}: {e}") from e
        questions[question.id] = question
    if not questions:
        raise ConfigError(f"{file} holds no question")
    return list(questions.values())


def _parse(line: bytes, file: str, needs_gold: bool) -> Question:
    try:
        row: Any = json.loads(line)
    except UnicodeDecodeError as e:
        raise ValueError("not UTF-8 text") from e
    except json.JSONDecodeError as e:
        raise ValueError(f"not valid JSON ({e.msg})") from e
    if not isinstance(row, dict):
        raise ValueError("must be a JSON object")
    text = row.get("question", row.get("prompt"))
    for name, value in (("id", row.get("id")), ('question" or "prompt', text)):
        if not isinstance(value, str) or not value.strip():
            raise ValueError(f'"{name}" must be a text that is not empty')
    gold = row.get("gold", []) if needs_gold else []
    if needs_gold and not (
        isinstance(gold, list)
        and gold
        and all(isinstance(answer, str) and answer.strip() for answer in gold)
    ):
        raise ValueError('"gold" must be a list of at least one text, none of them empty')
    return Question(file, row["id"], str(text), tuple(gold))
