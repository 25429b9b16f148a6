"""One strict TOML file, the environment and `--set` become one checked configuration, and back.

Precedence, last wins: defaults, file, EMPO_<SECTION>__<KEY>, `--set section.key=value`.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from empo_serve.config.sections import Config
from empo_serve.errors import ConfigError

ENV_PREFIX = "EMPO_"


def load_config(
    file: Path | None = None,
    overrides: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
) -> Config:
    """Read and check the configuration. Raises ConfigError with one line that names the key."""
    values: dict[str, Any] = {}
    if file is not None:
        try:
            values = tomllib.loads(file.read_text(encoding="utf-8"))
        except OSError as e:
            raise ConfigError(f"cannot read the configuration {file}: {e.strerror}") from e
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
            raise ConfigError(f"{file} is not valid TOML: {e}") from e
    for name, text in sorted((os.environ if env is None else env).items()):
        if name.startswith(ENV_PREFIX) and "__" in name:
            section, _, key = name.removeprefix(ENV_PREFIX).lower().partition("__")
            _put(values, section, key, text, source=name)
    for override in overrides:
        dotted, equals, text = override.partition("=")
        section, dot, key = dotted.strip().partition(".")
        if not (equals and dot and key):
            raise ConfigError(f"--set {override!r}: write it as section.key=value")
        _put(values, section, key, text, source=f"--set {dotted.strip()}")
    try:
        return Config.model_validate(values)
    except ValidationError as e:
        raise ConfigError(_first_error(e, file)) from e


def to_toml(config: Config) -> str:
    """The complete, resolved configuration as a TOML file that load_config reads back."""
    lines: list[str] = []
    for section, fields in config.model_dump(mode="json").items():
        tables = {
            key: value
            for key, value in fields.items()
            if isinstance(value, list) and value and isinstance(value[0], dict)
        }
        lines += _table(f"[{section}]", {k: v for k, v in fields.items() if k not in tables})
        for key, rows in tables.items():
            for row in rows:
                lines += _table(f"[[{section}.{key}]]", row)
    return "\n".join(lines)


def _table(header: str, fields: Mapping[str, Any]) -> list[str]:
    # JSON strings, numbers, booleans and lists of strings are TOML too; null is not.
    return [header, *(f"{k} = {json.dumps(v)}" for k, v in fields.items() if v is not None), ""]


def _put(values: dict[str, Any], section: str, key: str, text: str, source: str) -> None:
    table = values.setdefault(section, {})
    if not isinstance(table, dict):
        raise ConfigError(f"{section} in the configuration must be a table")
    field = Config.model_fields.get(section)
    sections = field.annotation.model_fields if field and field.annotation else {}
    if key not in sections:
        raise ConfigError(f"unknown configuration key {section}.{key} (from {source})")
    table[key] = _parse_value(text)


def _parse_value(text: str) -> Any:
    """A TOML value if it is one, else the text itself, so that paths need no quotes."""
    try:
        return tomllib.loads(f"x = {text.strip()}")["x"]
    except tomllib.TOMLDecodeError:
        return text


def _first_error(error: ValidationError, file: Path | None) -> str:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    where = f" in {file}" if file else ""
    if first["type"] == "extra_forbidden":
        what = "section" if len(first["loc"]) == 1 else "key"
        return f"unknown configuration {what} {key}{where}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{message}{where}"
    if first["type"] == "missing":
        return f"configuration key {key}{where} is missing"
    return f"configuration key {key}{where}: {message}, got {first['input']!r}"
