"""Every metric in one table. Names are part of the public contract; docs/metrics.md lists them.

Label values come from configuration and enums only, so the number of series is bounded.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.gc_collector import GCCollector
from prometheus_client.process_collector import ProcessCollector

from empo_serve.types import BandDecision, GroupState, Guard, UpdateState

# A second series per counter that says when it was made: nobody asks for it.
disable_created_metrics()  # type: ignore[no-untyped-call]

_LATENCY = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_OVERHEAD = (0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5)
_UPDATE = (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
_NATS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.2, 2.5, 3.0)
_NORM = (0.0, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


class Metrics:
    """One instance per server process, with a registry of its own."""

    def __init__(self) -> None:
        self.registry = r = CollectorRegistry()
        ProcessCollector(registry=r)
        GCCollector(registry=r)

        # Users.
        self.requests = Counter(
            "empo_requests_total",
            "User requests by route and HTTP status",
            ["route", "code"],
            registry=r,
        )
        self.request_seconds = Histogram(
            "empo_request_seconds",
            "User requests, first to last byte",
            ["route"],
            buckets=_LATENCY,
            registry=r,
        )
        self.time_to_first_token_seconds = Histogram(
            "empo_time_to_first_token_seconds",
            "Streamed user requests, until the first event",
            buckets=_LATENCY,
            registry=r,
        )
        self.gateway_overhead_seconds = Histogram(
            "empo_gateway_overhead_seconds",
            "Time a user request spends in the gateway itself",
            buckets=_OVERHEAD,
            registry=r,
        )
        self.requests_inflight = Gauge(
            "empo_requests_inflight", "User requests being answered", registry=r
        )
        self.rejected = Counter(
            "empo_rejected_total",
            "Requests refused or cut off, by reason: keys (unauthenticated, forbidden), limits "
            "(requests_per_minute, max_concurrent, tokens_per_minute, max_inflight), and slow "
            "clients (slow_body, slow_reader)",
            ["reason"],
            registry=r,
        )

        # Sampling and meaning.
        self.samples = Counter(
            "empo_samples_total",
            "Background samples by outcome (ok, truncated, failed)",
            ["outcome"],
            registry=r,
        )
        self.samples_saved = Counter(
            "empo_samples_saved_total",
            "Background samples that were not drawn, because they could not have changed that "
            "their group is rejected",
            registry=r,
        )
        self.samples_repeated = Counter(
            "empo_samples_repeated_total",
            "Background samples that repeat one of their group, drawn by the log-probabilities of "
            "those that the engine wrote, and so without it",
            registry=r,
        )
        self.background_inflight = Gauge(
            "empo_background_inflight", "Queries being sampled in the background", registry=r
        )
        self.background_seqs = Gauge(
            "empo_background_seqs", "Background sequences that hold room in the engine", registry=r
        )
        self.background_preempted = Counter(
            "empo_background_preempted_total",
            "Background work that was cut off for users; it goes on later",
            registry=r,
        )
        self.background_tokens = Counter(
            "empo_background_tokens_total",
            "Tokens of background sampling: prompts once per query, and all samples",
            registry=r,
        )
        self.background_queue = Gauge(
            "empo_background_queue", "Queries waiting to be sampled", registry=r
        )
        self.dropped = Counter(
            "empo_dropped_total",
            "Queries or groups not learned from, by stage and reason",
            ["stage", "reason"],
            registry=r,
        )
        self.semantic_entropy_nats = Histogram(
            "empo_semantic_entropy_nats",
            "Discrete semantic entropy of each group",
            buckets=_NATS,
            registry=r,
        )
        self.semantic_entropy_norm = Histogram(
            "empo_semantic_entropy_norm", "The same divided by ln G", buckets=_NORM, registry=r
        )
        self.score_seconds = Histogram(
            "empo_score_seconds",
            "Extraction, clustering and entropy of one group, with all waiting for it",
            buckets=_LATENCY,
            registry=r,
        )
        self.scorer_restarts = Counter(
            "empo_scorer_restarts_total", "Restarts of the scorer process", registry=r
        )
        self.judge_takes_part = Gauge(
            "empo_judge_takes_part",
            "1 while a language model helps to decide which answers are the same",
            registry=r,
        )
        self.judge_precision = Gauge(
            "empo_judge_precision",
            "Precision of the judge on the bundled pairs; 0 when it found none the same",
            registry=r,
        )
        self.judge_recall = Gauge(
            "empo_judge_recall", "Recall of the judge on the bundled pairs", registry=r
        )
        self.judge_pairs = Counter(
            "empo_judge_pairs_total",
            "Pairs of answers that the judge was asked about, by outcome (same, different, "
            "unusable, failed); what it is remembered to have said does not count",
            ["outcome"],
            registry=r,
        )
        self.band_decisions = Counter(
            "empo_band_decisions_total",
            "Groups by what the entropy band said",
            ["decision"],
            registry=r,
        )
        self.buffer_rows = Gauge("empo_buffer_rows", "Groups in the buffer", ["state"], registry=r)

        # Training.
        self.updates = Counter(
            "empo_updates_total", "Training updates by outcome", ["outcome"], registry=r
        )
        self.update_seconds = Histogram(
            "empo_update_seconds", "Training updates, start to exit", buckets=_UPDATE, registry=r
        )
        self.train_running = Gauge("empo_train_running", "1 while a trainer runs", registry=r)
        self.train_loss = Gauge("empo_train_loss", "Loss of the last update", registry=r)
        self.train_reward_mean = Gauge(
            "empo_train_reward_mean", "Mean reward of the last update", registry=r
        )
        self.train_kl = Gauge(
            "empo_train_kl_nats", "KL to the model without adapter, last update", registry=r
        )
        self.train_grad_norm = Gauge(
            "empo_train_grad_norm", "Gradient norm before clipping, last update", registry=r
        )
        self.train_semantic_entropy = Gauge(
            "empo_train_semantic_entropy_nats",
            "Mean semantic entropy of the groups of the last update",
            registry=r,
        )
        self.train_logprob_difference = Gauge(
            "empo_train_logprob_difference",
            "Mean |trainer - sampler| log-probability, last update",
            registry=r,
        )
        self.train_last_success = Gauge(
            "empo_train_last_success_timestamp_seconds",
            "When the last update was published",
            registry=r,
        )
        self.learning_paused = Gauge(
            "empo_learning_paused", "1 while learning is paused", registry=r
        )

        self.guard_tripped = Gauge(
            "empo_guard_tripped",
            "1 while learning is paused by this guard",
            ["guard"],
            registry=r,
        )
        self.guard_trips = Counter(
            "empo_guard_trips_total", "Times that a guard paused learning", ["guard"], registry=r
        )

        # Adapters and engine.
        self.adapter_version_info = Gauge(
            "empo_adapter_version_info",
            "1 for each version that is loaded in the engine",
            ["version", "state"],
            registry=r,
        )
        self.adapter_swaps = Counter(
            "empo_adapter_swaps_total",
            "Switches of the live version by outcome",
            ["outcome"],
            registry=r,
        )
        self.adapter_swap_seconds = Histogram(
            "empo_adapter_swap_seconds",
            "Load, warm and switch of a version",
            buckets=_LATENCY,
            registry=r,
        )
        self.warmed_prefixes = Counter(
            "empo_warmed_prefixes_total",
            "Prompt starts computed under a new version, by outcome (ok, failed, timeout)",
            ["outcome"],
            registry=r,
        )
        self.warm_seconds = Histogram(
            "empo_warm_seconds",
            "Warming the prefix cache for one version",
            buckets=_LATENCY,
            registry=r,
        )
        self.gate_checks = Counter(
            "empo_gate_checks_total", "Gate checks by outcome", ["check", "outcome"], registry=r
        )
        self.canaries = Counter(
            "empo_canaries_total",
            "Canaries by how they ended (promoted, rolled_back, ended by an operator)",
            ["outcome"],
            registry=r,
        )
        self.canary_requests = Counter(
            "empo_canary_requests_total",
            "User requests while a canary is out, by who answered (canary, live)",
            ["arm"],
            registry=r,
        )
        self.feedback = Counter(
            "empo_feedback_total",
            "Ratings of answers by users (up, down, neutral)",
            ["rating"],
            registry=r,
        )
        self.engine_up = Gauge("empo_engine_up", "1 while the engine answers", registry=r)
        self.engine_restarts = Counter(
            "empo_engine_restarts_total", "Restarts of the managed engine", registry=r
        )
        self.engine_stalls = Counter(
            "empo_engine_stalls_total",
            "Times that an engine was given up because it showed no progress",
            registry=r,
        )

        self._start_at_zero()

    def _start_at_zero(self) -> None:
        """A series that appears with its first event shows no increase for an alert to see."""
        for reason in (
            "unauthenticated",
            "forbidden",
            "requests_per_minute",
            "max_concurrent",
            "tokens_per_minute",
            "max_inflight",
            "slow_body",
            "slow_reader",
        ):
            self.rejected.labels(reason=reason)
        for outcome in ("ok", "truncated", "failed"):
            self.samples.labels(outcome=outcome)
        for stage, reason in (
            ("offer", "queue_full"),
            ("sample", "engine"),
            ("sample", "budget"),
            ("score", "not_scored"),
            ("learn", "error"),
            ("train", "repeated"),
            ("train", "heldout"),
            ("canary", "not_compared"),
        ):
            self.dropped.labels(stage=stage, reason=reason)
        for outcome in ("promoted", "rolled_back", "ended"):
            self.canaries.labels(outcome=outcome)
        for arm in ("canary", "live"):
            self.canary_requests.labels(arm=arm)
        for rating in ("up", "down", "neutral"):
            self.feedback.labels(rating=rating)
        for outcome in ("same", "different", "unusable", "failed"):
            self.judge_pairs.labels(outcome=outcome)
        for decision in BandDecision:
            self.band_decisions.labels(decision=decision.value)
        for guard in Guard:
            self.guard_tripped.labels(guard=guard.value)
            self.guard_trips.labels(guard=guard.value)
        for group_state in GroupState:
            self.buffer_rows.labels(state=group_state.value)
        for update_state in UpdateState:
            if update_state is not UpdateState.TRAINING:
                self.updates.labels(outcome=update_state.value.lower())
        self.updates.labels(outcome="error")
        for outcome in ("ok", "failed"):
            self.adapter_swaps.labels(outcome=outcome)
        for outcome in ("ok", "failed", "timeout"):
            self.warmed_prefixes.labels(outcome=outcome)

    def render(self) -> bytes:
        """The Prometheus text exposition of everything above."""
        return generate_latest(self.registry)
