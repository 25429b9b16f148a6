"""Decoding with adapters on a CPU: the base model, vLLM's own LoRA kernels, and ours.

One real vLLM per case of kernels and rank, all started before the first measurement; then every
case is measured in turn, round after round, so that whatever else the machine does hits all alike.
An engine without requests computes nothing.

    python bench/lora_cpu.py MODEL_DIR [--rounds 5] [--ranks 8,2,16] [--sequences 64] [--only TEXT]

MODEL_DIR is a Hugging Face directory. The median of the rounds is printed, and the median of each
round's ratio to the base model of the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import numpy as np
from safetensors.numpy import load_file, save_file

from empo_serve.config import EngineSection, ModelSection
from empo_serve.engine.managed import free_port, vllm_command
from empo_serve.engine.process import ChildProcess
from empo_serve.train.zero_adapter import zero_adapter

TOKENS = 24
PER_REQUEST = 8
BASE = "base"


@dataclass(frozen=True)
class Case:
    name: str
    engine: str
    models: tuple[str, ...]
    """The requests of one measurement go to these in turn."""


class Engines:
    """Real vLLM servers by name: "base" (no LoRA at all), or kernels and largest rank, as in
    "grouped-8"."""

    def __init__(self, model_dir: Path, folder: Path, session: aiohttp.ClientSession) -> None:
        self._model_dir = model_dir
        self._folder = folder
        self._session = session
        self._urls: dict[str, str] = {}
        self._children: list[ChildProcess] = []

    async def start(self, name: str, adapters: dict[str, Path]) -> None:
        kernels, _, rank = name.partition("-")
        section = EngineSection(
            lora_kernels="grouped" if kernels == "grouped" else "stock", max_model_len=1024
        )
        model = ModelSection(path=str(self._model_dir), name=BASE, dtype="bfloat16")
        port = free_port()
        command, env = vllm_command(section, model, self._model_dir, port, int(rank or 8))
        if kernels == BASE:
            command.remove("--enable-lora")
        child = await ChildProcess.start(command, self._folder / f"{name}.log", env=env)
        self._children.append(child)
        self._urls[name] = f"http://127.0.0.1:{port}"
        while not await self._is_up(name):
            if child.returncode is not None:
                raise SystemExit(f"the engine {name} did not start:\n{child.last_lines(30)}")
            await asyncio.sleep(0.5)
        if kernels != BASE:
            for adapter, path in adapters.items():
                body = {"lora_name": adapter, "lora_path": str(path)}
                url = self._urls[name] + "/v1/load_lora_adapter"
                async with self._session.post(url, json=body) as response:
                    assert response.status == 200, await response.text()

    async def _is_up(self, name: str) -> bool:
        try:
            async with self._session.get(self._urls[name] + "/health") as response:
                return response.status == 200
        except aiohttp.ClientError:
            return False

    async def speed(self, case: Case, sequences: int) -> float:
        """Tokens per second of that many completions of 24 tokens each, all at once."""

        async def one(i: int) -> int:
            body = {
                "model": case.models[i % len(case.models)],
                "prompt": f"Question {i}: name the capital of country number {i}.\nAnswer:",
                "n": min(PER_REQUEST, sequences),
                "max_tokens": TOKENS,
                "ignore_eos": True,
                "temperature": 0.7,
            }
            url = self._urls[case.engine] + "/v1/completions"
            async with self._session.post(url, json=body) as response:
                answer = await response.json()
                assert response.status == 200, answer
            return int(answer["usage"]["completion_tokens"])

        started = time.perf_counter()
        requests = max(1, sequences // PER_REQUEST)
        tokens = sum(await asyncio.gather(*(one(i) for i in range(requests))))
        return tokens / (time.perf_counter() - started)

    async def stop(self) -> None:
        for child in self._children:
            await child.stop()


def random_adapter(model_dir: Path, path: Path, rank: int, seed: int) -> None:
    """An adapter on all linear layers that changes the output, but not wildly."""
    zero_adapter(model_dir, path, rank, alpha=rank)
    weights = path / "adapter_model.safetensors"
    random = np.random.default_rng(seed)
    tensors = {
        name: random.normal(0, 0.01, tensor.shape).astype(np.float32)
        for name, tensor in load_file(weights).items()
    }
    save_file(tensors, weights, metadata={"format": "pt"})


def write_adapters(model_dir: Path, folder: Path, ranks: list[int]) -> dict[str, tuple[int, Path]]:
    """Rank and directory of each adapter: one per rank, two more of the first, and zeros."""
    adapters = {"v0": (1, folder / "v0")}
    zero_adapter(model_dir, folder / "v0", 1, alpha=1)
    names = {f"r{rank}": rank for rank in ranks}
    names |= {f"r{ranks[0]}-{i}": ranks[0] for i in (1, 2)}
    for seed, (name, rank) in enumerate(names.items()):
        adapters[name] = (rank, folder / name)
        random_adapter(model_dir, folder / name, rank, seed)
    return adapters


def make_cases(ranks: list[int]) -> list[Case]:
    first = ranks[0]
    cases = [Case("base model, LoRA off", BASE, (BASE,))]
    for rank in ranks:
        for kernels in ("stock", "grouped"):
            cases.append(
                Case(f"rank {rank}, {kernels}", f"{kernels}-{max(8, rank)}", (f"r{rank}",))
            )
    mixed = (f"r{first}", BASE, f"r{first}-1", BASE, f"r{first}-2")
    for kernels in ("stock", "grouped"):
        engine = f"{kernels}-{max(8, first)}"
        cases.append(Case(f"three adapters and base rows, {kernels}", engine, mixed))
        cases.append(Case(f"zero adapter (v0), {kernels}", engine, ("v0",)))
        cases.append(Case(f"base name, LoRA on, {kernels}", engine, (BASE,)))
    return cases


async def measure(args: argparse.Namespace, cases: list[Case]) -> dict[str, list[float]]:
    """Tokens per second of each case in each round."""
    speeds: dict[str, list[float]] = {case.name: [] for case in cases}
    timeout = aiohttp.ClientTimeout(total=600)
    with tempfile.TemporaryDirectory(prefix="empo-lora-") as folder:
        adapters = write_adapters(args.model_dir, Path(folder), args.ranks)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            engines = Engines(args.model_dir, Path(folder), session)
            try:
                for name in dict.fromkeys(case.engine for case in cases):
                    largest = int(name.partition("-")[2] or 8)
                    fitting = {n: p for n, (rank, p) in adapters.items() if rank <= largest}
                    await engines.start(name, fitting)
                    print(f"{name} is up", file=sys.stderr)
                for case in cases:
                    await engines.speed(case, args.sequences)  # the first one warms it up
                for number in range(args.rounds):
                    for case in cases:
                        speed = await engines.speed(case, args.sequences)
                        speeds[case.name].append(speed)
                        print(f"round {number + 1}: {case.name}: {speed:.0f}", file=sys.stderr)
            finally:
                await engines.stop()
    return speeds


def show(speeds: dict[str, list[float]], sequences: int) -> None:
    base = next(iter(speeds.values()))
    print(f"| {sequences} sequences | tokens/s, median (min to max) | share of the base model |")
    print("|---|---|---|")
    for name, values in speeds.items():
        ratio = statistics.median(v / b for v, b in zip(values, base, strict=True))
        spread = f"{statistics.median(values):.0f} ({min(values):.0f} to {max(values):.0f})"
        print(f"| {name} | {spread} | {ratio:.0%} |")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("model_dir", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--ranks", type=lambda t: [int(r) for r in t.split(",")], default=[8, 2, 16]
    )
    parser.add_argument("--sequences", type=int, default=64)
    parser.add_argument("--only", default="", help="cases whose name contains this, and the base")
    args = parser.parse_args()
    cases = make_cases(args.ranks)
    cases = [case for case in cases if case.engine == BASE or args.only in case.name]
    show(asyncio.run(measure(args, cases)), args.sequences)


if __name__ == "__main__":
    main()
