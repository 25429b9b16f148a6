"""API keys as the operator writes them down: a name, a hash, scopes and limits.

A key itself is shown once, when it is made, and is nowhere stored.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from empo_serve.errors import ConfigError

Scope = Literal["serve", "learn", "admin"]
SCOPES: tuple[str, ...] = get_args(Scope)

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ApiKey(BaseModel):
    """One table of `[[auth.keys]]`, or of `[[keys]]` in `auth.keys_file`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: str
    """Who holds the key, 1 to 64 of A-Z a-z 0-9 _ . -; stored with each query that is learned
    from."""
    sha256: str
    """SHA-256 of the key in 64 hex digits, as `empo-serve keys new` prints it."""
    scopes: tuple[Scope, ...] = ("serve", "learn")
    """"serve": use the public API. "learn": its queries may be stored and learned from.
    "admin": use the admin API."""
    requests_per_minute: int = Field(0, ge=0, le=1_000_000)
    """Requests for answers in any 60 seconds; 0: no limit."""
    max_concurrent: int = Field(0, ge=0)
    """Requests for answers at the same time; 0: no limit."""
    tokens_per_minute: int = Field(0, ge=0)
    """Prompt and answer tokens in any 60 seconds, counted when an answer ends; 0: no limit."""

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        if not _NAME.fullmatch(name):
            raise ValueError(
                f"the name of an API key is 1 to 64 of A-Z a-z 0-9 _ . -, not {name!r}"
            )
        return name

    @field_validator("sha256")
    @classmethod
    def _check_sha256(cls, digest: str) -> str:
        digest = digest.lower()
        if not _SHA256.fullmatch(digest):
            # Not shown: somebody may have pasted the key itself.
            raise ValueError(
                "sha256 of an API key is the 64 hex digits that `empo-serve keys new` prints"
            )
        return digest


class _KeysFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: tuple[ApiKey, ...] = ()


def read_keys(keys: Iterable[ApiKey], keys_file: Path | None) -> tuple[ApiKey, ...]:
    """The keys of the configuration and of its file. Raises ConfigError."""
    every = (*keys, *(_read_file(keys_file) if keys_file is not None else ()))
    for what in ("name", "sha256"):
        values = [getattr(key, what) for key in every]
        twice = next((k.name for k in every if values.count(getattr(k, what)) > 1), None)
        if twice is not None:
            raise ConfigError(f"two API keys have the same {what}: see {twice}")
    return every


def new_key() -> tuple[str, str]:
    """A random key and its SHA-256."""
    key = f"sk-empo-{secrets.token_urlsafe(32)}"
    return key, hashlib.sha256(key.encode()).hexdigest()


def _read_file(file: Path) -> tuple[ApiKey, ...]:
    try:
        values = tomllib.loads(file.read_text(encoding="utf-8"))
        keys = _KeysFile.model_validate(values).keys
    except OSError as e:
        raise ConfigError(f"cannot read auth.keys_file {file}: {e.strerror}") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise ConfigError(f"auth.keys_file {file} is not valid TOML: {e}") from e
    except ValidationError as e:
        first = e.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(f"auth.keys_file {file}: {where}: {message}") from e
    if not keys:
        # Without a key the server would be open to everybody.
        raise ConfigError(f"auth.keys_file {file} holds no [[keys]] table")
    return keys
