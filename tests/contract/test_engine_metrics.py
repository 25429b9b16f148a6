"""The metrics by which an engine is watched. vLLM is the truth; the fake shows the same ones."""

from __future__ import annotations

from engines import MODEL, Engine
from openai_http import post, post_json
from prometheus_client.parser import text_string_to_metric_families

READ = {
    "vllm:num_requests_running": "gauge",
    "vllm:num_requests_waiting": "gauge",
    "vllm:kv_cache_usage_perc": "gauge",
    "vllm:prompt_tokens_total": "counter",
    "vllm:generation_tokens_total": "counter",
    "vllm:iteration_tokens_total_count": "histogram",
}


def metrics(engine: Engine) -> dict[str, tuple[str, dict[str, str], float]]:
    """Type, labels and value of each metric that is read."""
    answer = post(engine.url, "/metrics", None, method="GET")
    assert answer.status == 200
    return {
        sample.name: (family.type, sample.labels, sample.value)
        for family in text_string_to_metric_families(answer.raw.decode())
        for sample in family.samples
        if sample.name in READ
    }


def test_what_is_watched_has_the_names_types_and_labels_of_vllm(engine: Engine) -> None:
    shown = metrics(engine)
    assert {name: kind for name, (kind, _, _) in shown.items()} == READ
    for name, (_, labels, _) in shown.items():
        assert labels == {"model_name": MODEL, "engine": "0"}, name


def test_the_counts_go_up_with_every_answer(engine: Engine) -> None:
    before = metrics(engine)
    body = {"model": "zero", "prompt": "The sun is", "max_tokens": 3, "ignore_eos": True}
    usage = post_json(engine.url, "/v1/completions", body).body["usage"]
    after = metrics(engine)

    def growth(name: str) -> float:
        return after[name][2] - before[name][2]

    assert growth("vllm:generation_tokens_total") == usage["completion_tokens"] == 3
    assert growth("vllm:prompt_tokens_total") == usage["prompt_tokens"]
