"""The few of vLLM's metrics that a gateway reads: how much waits, and whether work is done."""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(slots=True)
class Metrics:
    """Counts of what was computed since the start."""

    model: str
    prompt_tokens: int = 0
    generation_tokens: int = 0
    iterations: int = 0

    def render(self, num_running: int, num_waiting: int, max_num_seqs: int) -> str:
        """The Prometheus text."""
        # What runs computes, even where nothing has come of it yet: a reader sees steps go by.
        self.iterations += num_running > 0
        rows = [
            ("gauge", "num_requests_running", "", num_running),
            ("gauge", "num_requests_waiting", "", num_waiting),
            ("gauge", "kv_cache_usage_perc", "", num_running / max_num_seqs),
            ("counter", "prompt_tokens_total", "", self.prompt_tokens),
            ("counter", "generation_tokens_total", "", self.generation_tokens),
            ("histogram", "iteration_tokens_total", "_count", self.iterations),
        ]
        labels = f'{{engine="0",model_name={json.dumps(self.model)}}}'
        return "".join(
            f"# TYPE vllm:{name} {kind}\nvllm:{name}{suffix}{labels} {float(value)}\n"
            for kind, name, suffix, value in rows
        )
