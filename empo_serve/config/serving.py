"""What is served, where, to whom, and within which limits."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from empo_serve.api_keys import ApiKey
from empo_serve.config.section import Section


class ModelSection(Section):
    path: str = ""
    """Model to serve: a Hugging Face directory, a GGUF file (converted once into the data
    directory), or a hub id such as "Qwen/Qwen2.5-1.5B-Instruct". "demo" is the small model that
    the [demo] extra installs. Not used when engine.kind is "fake"."""
    name: str = ""
    """Public model name in the OpenAI API. Empty: the last part of the path."""
    dtype: Literal["auto", "bfloat16", "float16", "float32"] = "auto"
    """Precision of the weights, in the engine and in the trainer."""

    @cached_property
    def public_name(self) -> str:
        if self.name:
            return self.name
        if self.path == "demo":
            return "smollm2-135m-instruct"
        return Path(self.path).name.removesuffix(".gguf") or "fake"


class ServerSection(Section):
    host: str = "127.0.0.1"
    """Address of the public API."""
    port: int = Field(8000, ge=0, le=65535)
    """Port of the public API; 0 takes a free one."""
    admin_host: str = "127.0.0.1"
    """Address of the admin API. Without [auth] keys anybody who reaches it may do everything."""
    admin_port: int = Field(8001, ge=0, le=65535)
    """Port of the admin API; 0 takes a free one."""
    data_dir: Path = Path("empo-data")
    """Everything that must survive: database, adapter versions, training jobs, converted model.
    It belongs to one model for ever."""
    shutdown_timeout_s: float = Field(30.0, gt=0)
    """How long SIGTERM lets running user requests finish before they are cut."""


class AuthSection(Section):
    keys: tuple[ApiKey, ...] = ()
    """Who may use the server, one `[[auth.keys]]` table each. Without any key, here or in
    `keys_file`, the server is open to everybody who reaches it. A change needs a restart."""
    keys_file: Path | None = None
    """A TOML file with more keys, as `[[keys]]` tables; relative to the working directory."""


class EngineSection(Section):
    kind: Literal["managed", "attached", "fake"] = "managed"
    """"managed": a vLLM that we start, watch and restart. "attached": vLLM servers that run
    already, at `urls`. "fake": the built-in stand-in, for trying out the control plane."""
    urls: tuple[str, ...] = ()
    """Base URLs of attached engines, for example ["http://127.0.0.1:8100"]."""
    port: int = Field(0, ge=0, le=65535)
    """Loopback port of a managed engine; 0 takes a free one."""
    max_model_len: int | None = Field(None, ge=64)
    """Longest context in tokens. Unset: what the model allows."""
    max_num_seqs: int = Field(64, ge=1)
    """Sequences that a managed engine runs at once."""
    max_loras: int = Field(4, ge=3)
    """Adapter slots of a managed engine: live, candidate, draining, and one to pin."""
    max_cpu_loras: int = Field(16, ge=4)
    """Adapters that a managed engine keeps in memory, ready for a slot."""
    cpu_kv_cache_gib: int = Field(2, ge=1)
    """Memory for the key-value cache of a managed engine on CPU, in GiB."""
    threads: int = Field(0, ge=0)
    """CPU threads of a managed engine; 0 takes every core that this process may use."""
    lora_kernels: Literal["grouped", "stock"] = "grouped"
    """How a managed engine on CPU applies adapters. "grouped": by our own kernels, about twice as
    fast. "stock": by vLLM's. On a GPU vLLM's own are always used."""
    v0: Literal["auto", "zero", "base"] = "auto"
    """How the first version is served. "base": as the plain base model, at its full speed. "zero":
    as an adapter that changes nothing, for engines that cannot mix requests with and without an
    adapter (vLLM's own kernels on CPU give the latter another adapter's output). "auto": "base" on
    a managed vLLM that can, else "zero"."""
    args: tuple[str, ...] = ()
    """More command-line arguments for the child process, as vLLM (or the fake engine) spells
    them."""
    startup_timeout_s: float = Field(600.0, gt=0)
    """How long the engine may take to become ready."""
    health_interval_s: float = Field(2.0, gt=0)
    """How often the engine's health is asked for."""
    stall_timeout_s: float = Field(60.0, gt=0)
    """An engine that is waited for hangs when for so long it sends no part of any answer, counts
    no token and, if managed, uses no CPU time. A managed one is then killed and started anew, an
    attached one gets no more requests until it answers again. A managed one that computes without
    a result gets ten times as long. For an attached vLLM on CPU, whose one process says nothing
    while it works on a prompt, make it longer than its longest prompt takes."""
    request_timeout_s: float = Field(600.0, gt=0)
    """Longest silence of the engine within one request."""
    control_timeout_s: float = Field(120.0, gt=0)
    """How long the engine may take to load or unload one adapter. Users' requests go on
    meanwhile."""

    @model_validator(mode="after")
    def _check(self) -> EngineSection:
        if (self.kind == "attached") != bool(self.urls):
            raise ValueError(
                'engine.urls goes with engine.kind = "attached": give both, or neither'
            )
        if self.max_cpu_loras <= self.max_loras:
            raise ValueError("engine.max_cpu_loras must be larger than engine.max_loras")
        return self


class PrivacySection(Section):
    learn: bool = True
    """Learn from requests that do not say X-Empo-Learn. Requests with `X-Empo-Learn: no` are
    never stored and never learned from."""
    learn_multi_turn: bool = False
    """Also learn from chats in which the client wrote the assistant's earlier turns."""


class LimitsSection(Section):
    max_body_bytes: int = Field(8 * 2**20, ge=1024)
    """Largest request body."""
    max_url_bytes: int = Field(8190, ge=256)
    """Longest URL."""
    max_header_bytes: int = Field(8190, ge=256)
    """Longest header, name and value; there may be 128 of them."""
    max_n: int = Field(64, ge=1)
    """Largest `n` that a client may ask for."""
    max_messages: int = Field(1024, ge=1)
    """Most messages in a chat. For completions: most prompts times `n` in one request."""
    max_tokens: int = Field(0, ge=0)
    """Longest answer that a client may ask for, in tokens, for each of its `n`; who asks for no
    length gets this one. 0: only the engine's own limit."""
    max_inflight: int = Field(4096, ge=1)
    """User requests in the gateway at the same time; more get 503."""
    requests_per_minute: int = Field(0, ge=0, le=1_000_000)
    """Requests for answers in any 60 seconds, of all clients together; 0: no limit."""
    tokens_per_minute: int = Field(0, ge=0)
    """Prompt and answer tokens in any 60 seconds, of all clients together; 0: no limit."""
    client_timeout_s: float = Field(60.0, gt=0)
    """How long a client may take to send a request's body, and how long it may take nothing off an
    answer."""
    keepalive_timeout_s: float = Field(75.0, gt=0)
    """How long a connection may be idle, and how long a client may take to send a request's
    headers. Longer than a proxy in front keeps its idle connections (nginx: 60 s), or now and then
    the proxy uses one that is just being closed."""
    max_adapter_bytes: int = Field(2 * 2**30, ge=1024)
    """Largest adapter that can be imported."""


class TelemetrySection(Section):
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Lowest level that is logged."""
    engine_log: bool = False
    """Show the engine's log lines too; they are always in <data_dir>/logs/engine.log."""
