"""Files that people write: one JSON object a line, read strictly, with the place of a mistake."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from empo_serve.errors import ConfigError

T = TypeVar("T")


def read_json_lines(file: Path, name: str, parse: Callable[[dict[str, Any]], T]) -> list[T]:
    """What `parse` makes of each object, of which there must be one; blank lines are skipped.

    `parse` raises ValueError for a bad one. Raises ConfigError with one line that calls the file
    `name` and says where its first mistake is.
    """
    try:
        lines = file.read_bytes().split(b"\n")  # not splitlines: U+2028 may stand in a text
    except OSError as e:
        raise ConfigError(f"cannot read {name}: {e.strerror}") from e
    records = []
    for number, line in enumerate(lines, start=1):
        if line.strip():
            try:
                records.append(parse(_object(line)))
            except ValueError as e:
                raise ConfigError(f"{name}, line {number}: {e}") from e
    if not records:
        raise ConfigError(f"{name} is empty")
    return records


def text_of(row: dict[str, Any], *keys: str) -> str:
    """The text under the first of `keys` that is there. Raises ValueError without a text."""
    value = next((row[key] for key in keys if key in row), None)
    if not isinstance(value, str) or not value.strip():
        names = " or ".join(f'"{key}"' for key in keys)
        raise ValueError(f"{names} must be a text that is not empty")
    return value


def texts_of(row: dict[str, Any], key: str) -> tuple[str, ...]:
    """A list of texts. Raises ValueError unless there is one, and none of them is empty."""
    value = row.get(key)
    if not isinstance(value, list) or not value:
        raise ValueError(f'"{key}" must be a list of at least one text')
    if not all(isinstance(text, str) and text.strip() for text in value):
        raise ValueError(f'"{key}" must be a list of texts that are not empty')
    return tuple(value)


def _object(line: bytes) -> dict[str, Any]:
    try:
        row: Any = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as e:
        raise ValueError("not UTF-8 text") from e
    except json.JSONDecodeError as e:
        raise ValueError(f"not valid JSON ({e.msg})") from e
    except RecursionError as e:
        raise ValueError("not valid JSON (nested too deep)") from e
    if not isinstance(row, dict):
        raise ValueError("must be a JSON object")
    return row
