"""Draws the samples that the benches of the semantic layer read: real answers of a real model.

    python bench/samples.py traffic.jsonl samples.jsonl [--model demo] [--seconds 240]

Starts a server with the demo's configuration and asks every prompt of the traffic file for
`--num` samples at the demo's temperature and for its greedy answer, with the log-probability of
every token. What the file already holds is not drawn again, so a run that was ended by `--seconds`
goes on with the next one. Lines are {"id", "domain", "question", "gold", "temperature", "samples",
"greedy"}; a sample is {"text", "is_truncated", "tokens", "logprobs"}.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from empo_serve.demo.traffic import Prompt, load_traffic

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from serving import Served

ROOT = Path(__file__).parent.parent
DEMO = ROOT / "empo_serve" / "demo_data" / "demo.toml"
MAX_TOKENS = 24  # sampling.max_tokens of the demo
PROMPTS_AT_ONCE = 8  # of 8 samples each: the demo's 64 sequences


@dataclass(frozen=True, slots=True)
class Drawn:
    """One completion. `logprobs[t]` is of `tokens[t]`, at the temperature that it was drawn at; of
    a greedy one at temperature 1."""

    text: str
    is_truncated: bool
    tokens: tuple[str, ...]
    logprobs: tuple[float, ...]

    @property
    def mean_logprob(self) -> float:
        return self.logprob / max(1, len(self.logprobs))

    @property
    def logprob(self) -> float:
        return sum(self.logprobs)


@dataclass(frozen=True, slots=True)
class Asked:
    """One question with its samples. `gold` is for measuring only."""

    id: str
    domain: str
    question: str
    gold: tuple[str, ...]
    samples: tuple[Drawn, ...]
    greedy: Drawn

    def accepts(self, answer: str) -> bool:
        return Prompt(self.id, self.domain, self.question, self.gold).accepts(answer)


def read_lines(file: Path) -> list[dict[str, Any]]:
    """JSON lines. Not by splitlines(): the text of a sample may hold other line separators."""
    with open(file, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def read_samples(file: Path) -> list[Asked]:
    asked = []
    for row in read_lines(file):
        asked.append(
            Asked(
                row["id"],
                row["domain"],
                row["question"],
                tuple(row["gold"]),
                tuple(_drawn(sample) for sample in row["samples"]),
                _drawn(row["greedy"]),
            )
        )
    return asked


def _drawn(row: dict[str, Any]) -> Drawn:
    return Drawn(row["text"], row["is_truncated"], tuple(row["tokens"]), tuple(row["logprobs"]))


def _ask(server: Served, prompt: Prompt, num: int, temperature: float) -> list[dict[str, Any]]:
    status, answer = server.chat(
        prompt.text,
        headers={"X-Empo-Learn": "no"},
        n=num,
        temperature=temperature,
        max_tokens=MAX_TOKENS,
        logprobs=True,
    )
    assert status == 200, answer
    return [
        {
            "text": choice["message"]["content"],
            "is_truncated": choice["finish_reason"] == "length",
            "tokens": [token["token"] for token in choice["logprobs"]["content"]],
            "logprobs": [token["logprob"] for token in choice["logprobs"]["content"]],
        }
        for choice in answer["choices"]
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("traffic", type=Path)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--model", default="demo")
    parser.add_argument("--num", type=int, default=8)
    parser.add_argument("--temperature", type=float, default=0.7)
    parser.add_argument("--seconds", type=float, default=1e9, help="draw for so long, then end")
    options = parser.parse_args()
    have = {a.id for a in read_samples(options.samples)} if options.samples.exists() else set()
    prompts = [p for p in load_traffic(options.traffic) if p.id not in have]
    with tempfile.TemporaryDirectory() as folder:
        server = Served(
            Path(folder) / "data",
            *(f"model.path={options.model}", "train.enabled=false"),
            config=DEMO,
        )
        try:
            server.wait_ready(600)
            deadline = time.monotonic() + options.seconds

            def draw(prompt: Prompt) -> None:
                if time.monotonic() > deadline:
                    return
                samples = _ask(server, prompt, options.num, options.temperature)
                greedy = _ask(server, prompt, 1, 0.0)[0]
                row = {
                    "id": prompt.id,
                    "domain": prompt.domain,
                    "question": prompt.text,
                    "gold": list(prompt.gold),
                    "temperature": options.temperature,
                    "samples": samples,
                    "greedy": greedy,
                }
                with open(options.samples, "a", encoding="utf-8") as out:
                    out.write(json.dumps(row, ensure_ascii=False) + "\n")

            with ThreadPoolExecutor(PROMPTS_AT_ONCE) as pool:
                list(pool.map(draw, prompts))
        finally:
            server.stop()
    print(f"{len(read_samples(options.samples))} questions in {options.samples}")


if __name__ == "__main__":
    main()
