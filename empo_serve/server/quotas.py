"""How much may be used in a minute and at once: counted in memory, on the monotonic clock."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

from empo_serve.minute import Minute

_TOTAL_TOKENS = re.compile(rb'"total_tokens":\s*([0-9]{1,12})')


class OverLimit(Exception):
    """`limit` is the exceeded setting's name; it may be worth trying again in `retry_after` s."""

    def __init__(self, limit: str, allowed: int, retry_after: int) -> None:
        super().__init__(limit)
        self.limit = limit
        self.allowed = allowed
        self.retry_after = retry_after


class TokenCount:
    """Tokens of one request, told from its bytes alone.

    `usage` of the answer is taken where it is there. Without it (a stream that was not asked for
    it, or was cut off) each event counts as one token, and four bytes of the request's body as
    one more.
    """

    def __init__(self) -> None:
        self._usage: int | None = None
        self._guess = 0
        self._more = 0

    @property
    def total(self) -> int:
        return self._more + (self._guess if self._usage is None else self._usage)

    def request_body(self, num_bytes: int) -> None:
        self._guess += num_bytes // 4

    def answer(self, raw: bytes) -> None:
        """A whole answer, or some whole events of a stream."""
        self._guess += raw.count(b"\n\n")  # inside JSON, line ends are escaped
        # So are quotes: no text that was generated looks like this.
        start = raw.rfind(b'"usage":{')
        if start >= 0 and (found := _TOTAL_TOKENS.search(raw, start)):
            self._usage = int(found[1])

    def add(self, tokens: int) -> None:
        """Tokens that `usage` of the answer does not include."""
        self._more += tokens


class Quota:
    """The limits of one key, or of all clients together; 0 is no limit."""

    def __init__(
        self, requests_per_minute: int = 0, max_concurrent: int = 0, tokens_per_minute: int = 0
    ) -> None:
        self._requests = Minute(requests_per_minute) if requests_per_minute else None
        self._tokens = Minute(tokens_per_minute) if tokens_per_minute else None
        self._max_concurrent = max_concurrent
        self._running = 0

    @property
    def counts_tokens(self) -> bool:
        return self._tokens is not None

    def check(self, now: float) -> None:
        """Raises OverLimit when there is no room for one more request."""
        if self._max_concurrent and self._running >= self._max_concurrent:
            # Nobody knows when one of them ends.
            raise OverLimit("max_concurrent", self._max_concurrent, 1)
        if self._requests is not None and (wait := self._requests.wait_s(now)) > 0:
            raise OverLimit("requests_per_minute", self._requests.limit, math.ceil(wait))
        if self._tokens is not None and (wait := self._tokens.wait_s(now)) > 0:
            raise OverLimit("tokens_per_minute", self._tokens.limit, math.ceil(wait))

    def begin(self, now: float) -> None:
        self._running += 1
        if self._requests is not None:
            self._requests.add(1, now)

    def end(self, tokens: int) -> None:
        """Count the tokens, known only now: a minute may end above its limit."""
        self._running -= 1
        if self._tokens is not None:
            self._tokens.add(tokens, time.monotonic())


@contextmanager
def hold(*quotas: Quota) -> Iterator[TokenCount | None]:
    """The place of one request in each quota, and the count of its tokens where one is limited.

    Raises OverLimit; a request that one quota refuses counts in none.
    """
    now = time.monotonic()
    for quota in quotas:
        quota.check(now)
    for quota in quotas:
        quota.begin(now)
    count = TokenCount() if any(quota.counts_tokens for quota in quotas) else None
    try:
        yield count
    finally:
        for quota in quotas:
            quota.end(count.total if count is not None else 0)
