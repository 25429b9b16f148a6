"""The traffic file: strict reading, and the split into what is played and what is held out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empo_serve.errors import ConfigError
from empo_serve.json_lines import read_json_lines, text_of, texts_of

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
    seen: set[str] = set()

    def parse(row: dict[str, Any]) -> Prompt:
        # Further keys do no harm: a misspelt one leaves its right name missing.
        for name in FIELDS:
            if name not in row:
                raise ValueError(f'"{name}" is missing')
        key, domain, text = (text_of(row, name) for name in FIELDS[:-1])
        gold = texts_of(row, FIELDS[-1])
        if key in seen:
            raise ValueError(f"the id {key!r} occurs twice")
        seen.add(key)
        return Prompt(key, domain, text, gold)

    return tuple(read_json_lines(file, f"the traffic file {file}", parse))


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
