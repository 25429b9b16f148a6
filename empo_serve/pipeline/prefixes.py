"""The prompt starts that users' requests share: system prompts, counted in memory.

A new version starts with an empty prefix cache, so these are what it is warmed with. Text of a
request that must not be learned from is not kept here either.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from empo_serve.types import UserRequest

_SYSTEM_ROLES = ("system", "developer")
# Whatever else the chat template may put before the first message.
_TEMPLATE_FIELDS = ("chat_template", "chat_template_kwargs", "reasoning_effort", "tools")
# Shorter ones fill no block of the cache: 16 to 32 tokens, about four characters each.
_MIN_BYTES = 128
_MAX_BYTES = 256 * 2**10
_MAX_ENTRIES = 256
_MAX_TOTAL_BYTES = 4 * 2**20
_HALF_LIFE_S = 1800.0


@dataclass(slots=True)
class _Prefix:
    body: bytes
    weight: float  # requests, each halved every half-life, as of `seen_at`
    seen_at: float
    is_shared: bool = False  # seen at least twice


class Prefixes:
    """Counts the starts of chat requests; old ones fade, rare ones make room."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._prefixes: dict[bytes, _Prefix] = {}
        self._num_bytes = 0

    def count(self, request: UserRequest) -> None:
        """Note the start of a request that was answered."""
        if request.not_learned in ("opted_out", "privacy", "key"):
            return
        body = _start(request)
        if body is None:
            return
        key, now = hashlib.sha256(body).digest(), self._clock()
        known = self._prefixes.get(key)
        if known is not None:
            known.weight = self._weight(known, now) + 1.0
            known.seen_at, known.is_shared = now, True
            return
        if len(self._prefixes) >= _MAX_ENTRIES or self._num_bytes + len(body) > _MAX_TOTAL_BYTES:
            self._make_room(now)
        self._prefixes[key] = _Prefix(body, 1.0, now)
        self._num_bytes += len(body)

    def top(self, count: int) -> list[dict[str, Any]]:
        """The most frequent shared starts, each as the fields of a chat request."""
        now = self._clock()
        shared = [prefix for prefix in self._prefixes.values() if prefix.is_shared]
        shared.sort(key=lambda prefix: -self._weight(prefix, now))
        return [json.loads(prefix.body) for prefix in shared[:count]]

    def _make_room(self, now: float) -> None:
        """Forget the rarer half, so that this is not done at each new prefix."""
        ranked = sorted(self._prefixes.items(), key=lambda item: -self._weight(item[1], now))
        kept, self._prefixes, self._num_bytes = ranked[: len(ranked) // 2], {}, 0
        for key, prefix in kept:
            if self._num_bytes + len(prefix.body) <= _MAX_TOTAL_BYTES // 2:
                self._prefixes[key] = prefix
                self._num_bytes += len(prefix.body)

    @staticmethod
    def _weight(prefix: _Prefix, now: float) -> float:
        return float(prefix.weight * 0.5 ** ((now - prefix.seen_at) / _HALF_LIFE_S))


def _start(request: UserRequest) -> bytes | None:
    """The fields of a chat request that make the start of its prompt, or None without one."""
    messages = request.body.get("messages")
    if request.route != "chat" or not isinstance(messages, list):
        return None
    system = []
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in _SYSTEM_ROLES:
            break
        system.append(message)
    fields = {name: request.body[name] for name in _TEMPLATE_FIELDS if request.body.get(name)}
    if not system and not fields:
        return None
    body = json.dumps({"messages": system, **fields}, separators=(",", ":")).encode()
    return body if _MIN_BYTES <= len(body) <= _MAX_BYTES else None
