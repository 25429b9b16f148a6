"""The traffic file: strict reading, and the split into what is played and what is held out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empo_serve.errors import ConfigError

FIELDS = ("id", "domain", "prompt", "gold")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One line of the traffic file. `gold` never leaves the client."""

    id: str
    domain: str
    text: str
    gold: tuple[str, ...]

    def accepts(self, answer: str) -> bool:
        """Does `answer` contain one of the gold strings, ignoring case?"""
        folded = answer.casefold()
        return any(gold.casefold() in folded for gold in self.gold)

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.id.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Split:
    """Half of each domain is played, the other half is only ever measured."""

    traffic: tuple[Prompt, ...]
    heldout: tuple[Prompt, ...]


def load_traffic(file: Path) -> tuple[Prompt, ...]:
    """Read JSON lines `{"id","domain","prompt","gold":[...]}`; blank lines are skipped.

    Raises ConfigError with one line that names the first bad line.
    """
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError as e:
        raise ConfigError(f"cannot read the traffic file {file}: {e.strerror}") from e
    except UnicodeDecodeError as e:
        raise ConfigError(f"the traffic file {file} is not UTF-8 text") from e
    prompts: dict[str, Prompt] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            prompt = _parse(line)
            if prompt.id in prompts:
                raise ValueError(f"the id {prompt.id!r} occurs twice")
        except ValueError as e:
            raise ConfigError(f"{file}, line {number}: {e}") from e
        prompts[prompt.id] = prompt
    if not prompts:
        raise ConfigError(f"the traffic file {file} holds no prompt")
    return tuple(prompts.values())


def split_by_hash(prompts: Iterable[Prompt]) -> Split:
    """Order each domain by the SHA-256 of the id; the first half is traffic, the rest held out.

    Depends on ids alone, so one file gives one split on every machine. Raises ConfigError when a
    half would be empty.
    """
    traffic: list[Prompt] = []
    heldout: list[Prompt] = []
    for domain in _domains(prompts):
        half = len(domain) // 2
        traffic += domain[:half]
        heldout += domain[half:]
    if not traffic:
        raise ConfigError("the traffic file needs at least two prompts of one domain")
    return Split(tuple(traffic), tuple(heldout))


def stratified(prompts: tuple[Prompt, ...], limit: int) -> tuple[Prompt, ...]:
    """At most `limit` prompts, taken in turn from each domain in hash order."""
    domains = _domains(prompts)
    longest = max((len(domain) for domain in domains), default=0)
    in_turn = [domain[i] for i in range(longest) for domain in domains if i < len(domain)]
    return tuple(in_turn[:limit])


def _domains(prompts: Iterable[Prompt]) -> list[list[Prompt]]:
    """The prompts of each domain in hash order; domains by name."""
    by_domain: dict[str, list[Prompt]] = {}
    for prompt in prompts:
        by_domain.setdefault(prompt.domain, []).append(prompt)
    return [sorted(by_domain[name], key=lambda p: p.hash) for name in sorted(by_domain)]


def _parse(line: str) -> Prompt:
    try:
        row: Any = json.loads(line)
    except json.JSONDecodeError as e:
        raise ValueError(f"not valid JSON ({e.msg})") from e
    if not isinstance(row, dict):
        raise ValueError("must be a JSON object")
    # Further keys do no harm: a misspelt one leaves its right name missing.
    for name in FIELDS:
        if name not in row:
            raise ValueError(f'"{name}" is missing')
    for name in FIELDS[:-1]:
        if not isinstance(row[name], str) or not row[name].strip():
            raise ValueError(f'"{name}" must be a text that is not empty')
    gold = row["gold"]
    if not isinstance(gold, list) or not gold:
        raise ValueError('"gold" must be a list of at least one text')
    if not all(isinstance(text, str) and text.strip() for text in gold):
        raise ValueError('"gold" must hold texts that are not empty')
    return Prompt(row["id"], row["domain"], row["prompt"], tuple(gold))
