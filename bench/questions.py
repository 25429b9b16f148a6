"""JSON lines of questions, and the prompt that each becomes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empo_serve.json_lines import read_json_lines, text_of, texts_of

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
    seen: set[str] = set()

    def parse(row: dict[str, Any]) -> Question:
        key, text = text_of(row, "id"), text_of(row, "question", "prompt")
        gold = texts_of(row, "gold") if needs_gold else ()
        if key in seen:
            raise ValueError(f"the id {key!r} occurs twice")
        seen.add(key)
        return Question(file.stem, key, text, gold)

    return read_json_lines(file, str(file), parse)
