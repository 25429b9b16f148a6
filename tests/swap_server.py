"""A server whose versions can be told apart by their answers, and swaps of them under load."""

from __future__ import annotations

import asyncio
import io
import itertools
import json
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from safetensors.numpy import load_file, save_file
from serving import Served
from swap_load import Client, Expected, LiveTimes, Record

from empo_serve.engine.fake.tokenizer import ANSWER_WORDS

FILES = ("adapter_config.json", "adapter_model.safetensors")
SETTINGS = (
    *("semantics.equivalence=rules", "train.enabled=false", "train.rank=2", "train.alpha=4"),
    *("gate.enabled=false", "sampling.fraction=0", "rollout.keep_loaded=1"),
)
FAKE = ("engine.kind=fake", 'engine.args=["--first-token-s", "0.02", "--tokens-per-s", "50"]')
# Much smaller random matrices leave SmolLM2's greedy answers as they are.
_STD = 0.2
_PROBE_TOKENS = (1, 2, 4)
_WORDS = 12  # of a fake version's answer, all the same: a mixed one shows


def make_adapter(v0: Path, directory: Path, number: int) -> Path:
    """A random adapter of the served model, far from zero, with an answer for the fake engine."""
    rng = np.random.default_rng(number)
    tensors = {
        name: rng.normal(0, _STD, values.shape).astype(np.float32)
        for name, values in sorted(load_file(v0 / FILES[1]).items())
    }
    directory.mkdir(parents=True)
    save_file(tensors, directory / FILES[1], metadata={"format": "pt"})
    word = ANSWER_WORDS[number % len(ANSWER_WORDS)]
    config = json.loads((v0 / FILES[0]).read_text())
    config["fake"] = {"answer": " ".join([word] * _WORDS)}
    (directory / FILES[0]).write_text(json.dumps(config))
    return directory


class Admin:
    """The admin API, as an operator calls it."""

    def __init__(self, url: str) -> None:
        self._url = url + "/admin/v1/adapters"
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300))

    async def close(self) -> None:
        await self._session.close()

    async def upload(self, directory: Path) -> str:
        """Import an adapter; the version that it has become."""
        form = aiohttp.FormData()
        for name in FILES:
            form.add_field(name, io.BytesIO((directory / name).read_bytes()), filename=name)
        return str((await self._post(self._url, data=form))["version"])

    async def change(self, version: str, action: str) -> str:
        """Promote or roll back; the version that is live then."""
        return str((await self._post(f"{self._url}/{version}/{action}"))["version"])

    async def _post(self, url: str, **arguments: Any) -> dict[str, Any]:
        async with self._session.post(url, **arguments) as response:
            body: dict[str, Any] = await response.json()
            assert response.status < 300, body
            return body


@dataclass(slots=True)
class Swaps:
    """The swaps that were made, and how soon each was felt."""

    count: int = 0
    rollbacks: int = 0
    call_seconds: list[float] = field(default_factory=list)
    first_answer_seconds: list[float] = field(default_factory=list)
    probes: list[Record] = field(default_factory=list)


class SwapServer:
    """`expected` holds what each version answers; v0 is only rolled back to. Made inside a loop."""

    def __init__(
        self, server: Served, prompts: list[str], body: dict[str, Any], num_versions: int
    ) -> None:
        self.server = server
        self.prompts = prompts
        self.client = Client(server.url, body)
        self.admin = Admin(server.admin_url)
        self.versions: list[str] = []
        self.expected: Expected = {prompt: {} for prompt in prompts}
        self._num_versions = num_versions
        # (tokens, prompt) -> version -> the answer cut after so many tokens
        self._starts: dict[tuple[int, str], dict[str, str]] = {}
        self._probe = (0, "")

    async def open(self, learn: bool = True) -> None:
        """Import the versions, and learn what each of them answers where it matters."""
        v0 = self.server.data_dir / "adapters" / "v0"
        sources = Path(f"{self.server.data_dir}-adapters")
        if learn:
            await self._learn("v0")
        for number in range(1, self._num_versions + 1):
            source = make_adapter(v0, sources / f"a{number}", number)
            version = await self.admin.upload(source)
            if learn:
                await self._learn(version)
            self.versions.append(version)
        self.live = LiveTimes(self.versions[-1])
        self._turns = itertools.cycle(self.versions)
        if learn:
            self._choose_probe()

    async def close(self) -> None:
        await self.client.close()
        await self.admin.close()

    async def _learn(self, version: str) -> None:
        """Record what a version that is loaded answers, in full and cut after a few tokens."""
        for prompt in self.prompts:
            for stream in (False, True):
                record = await self.client.ask(prompt, stream=stream, version=version)
                assert not record.failure, record
                known = self.expected[prompt].setdefault(version, record.text)
                assert record.text == known, f"{version} is not deterministic: {record}, {known}"
            for num_tokens in _PROBE_TOKENS:
                record = await self.client.ask(
                    prompt, stream=True, version=version, max_tokens=num_tokens
                )
                starts = self._starts.setdefault((num_tokens, prompt), {})
                starts[version] = record.text

    def _choose_probe(self) -> None:
        """The shortest answer by which all versions can be told apart."""
        for prompt, answers in self.expected.items():
            assert len(set(answers.values())) == len(answers), f"same answers: {prompt}: {answers}"
        for probe, starts in sorted(self._starts.items()):
            if len(set(starts.values())) == len(starts):
                self._probe = probe
                return
        raise AssertionError(f"no short answer tells the versions apart: {self._starts}")

    async def swap(self, how_often: int, pause_s: float) -> Swaps:
        """Switch to version after version; every third switch is a rollback."""
        swaps = Swaps()
        for number in range(how_often):
            if number % 3 == 2 and self.live.live != "v0":
                await self._switch(self.live.live, "rollback", swaps)
                swaps.rollbacks += 1
            else:
                await self._switch(self._following(), "promote", swaps)
            swaps.count += 1
            await asyncio.sleep(pause_s)
        return swaps

    async def promote_next(self) -> None:
        """One swap without a probe."""
        version, called = self._following(), time.perf_counter()
        live = await self.admin.change(version, "promote")
        self.live.switched(live, called, time.perf_counter())

    def _following(self) -> str:
        version = next(self._turns)
        return version if version != self.live.live else next(self._turns)

    async def _switch(self, version: str, action: str, swaps: Swaps) -> None:
        called = time.perf_counter()
        probing = None
        if action == "promote":
            probing = asyncio.create_task(self._probe_until(version, swaps))
        live = await self.admin.change(version, action)
        answered = time.perf_counter()
        self.live.switched(live, called, answered)
        swaps.call_seconds.append(answered - called)
        if probing is not None:
            swaps.first_answer_seconds.append(await probing - called)

    async def _probe_until(self, version: str, swaps: Swaps) -> float:
        """Ask one short question after the other until `version` answers; when it did."""
        num_tokens, prompt = self._probe
        while True:
            record = await self.client.ask(prompt, stream=True, max_tokens=num_tokens)
            swaps.probes.append(record)
            if record.text == self._starts[self._probe][version]:
                return record.first
