"""Two kinds of users: many whose questions are learned from, and a few who are never away."""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Iterator, Sequence

from empo_serve.demo.client import Client
from empo_serve.demo.traffic import Prompt

RATE_PER_S = 4.0  # about what two cores can answer and sample eight times besides
MAX_INFLIGHT = 8
STREAM_EVERY = 3
NUM_REGULARS = 2
PAUSE_S = 0.4


class Player:
    """Plays shuffled rounds of `prompts` while `is_open`; the regulars go on even when closed."""

    def __init__(self, client: Client, prompts: Sequence[Prompt], seed: int = 0) -> None:
        self.round = 0
        self.played_in_round = 0
        self._client = client
        self._prompts = prompts
        self._rng = random.Random(seed)
        self._open = asyncio.Event()

    @property
    def round_size(self) -> int:
        return len(self._prompts)

    @property
    def is_open(self) -> bool:
        return self._open.is_set()

    def open(self) -> None:
        self._open.set()

    def close(self) -> None:
        """No new questions; those on their way are answered."""
        self._open.clear()

    async def run(self) -> None:
        """Play for ever."""
        async with asyncio.TaskGroup() as tasks:
            for _ in range(NUM_REGULARS):
                tasks.create_task(self._regular())
            tasks.create_task(self._crowd())

    async def _crowd(self) -> None:
        slots = asyncio.Semaphore(MAX_INFLIGHT)

        async def ask(prompt: Prompt, stream: bool) -> None:
            async with slots:
                await self._client.ask(prompt, stream=stream, learn=True)

        async with asyncio.TaskGroup() as tasks:
            for number, prompt in enumerate(self._rounds()):
                await self._open.wait()
                await slots.acquire()
                slots.release()  # wait for a free slot here, or tasks would pile up
                tasks.create_task(ask(prompt, stream=number % STREAM_EVERY == 0))
                await asyncio.sleep(1 / RATE_PER_S)

    async def _regular(self) -> None:
        """Keeps a request on its way at most times, so that every swap meets some.

        Opted out of learning: what is learned should not depend on how long training takes.
        """
        for number in itertools.count():
            prompt = self._rng.choice(self._prompts)
            await self._client.ask(prompt, stream=number % 2 == 0, learn=False)
            await asyncio.sleep(PAUSE_S * self._rng.uniform(0.5, 1.5))

    def _rounds(self) -> Iterator[Prompt]:
        while True:
            self.round += 1
            order = self._rng.sample(self._prompts, len(self._prompts))
            for self.played_in_round, prompt in enumerate(order, start=1):
                yield prompt
