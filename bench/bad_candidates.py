"""Bad adapters against the gate of a real server: which check refuses each, and is any served?

The demo model learns a few updates from the demo's traffic, whose verdicts are printed as well:
those are the healthy ones. Then learning is paused, bad adapters are made from the files of the
live version, and each is imported as an operator would do it, while users go on asking. With
--learned the server does not learn itself: an adapter from elsewhere is brought in by the gate.

    python bench/bad_candidates.py --updates 4      # about 10 minutes on two cores
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
from serving import Served

from empo_serve.demo.run import BUNDLED_TRAFFIC
from empo_serve.demo.traffic import Prompt, load_traffic, split_by_hash

CONFIG = Path(str(files("empo_serve") / "demo_data" / "demo.toml"))
WEIGHTS, ADAPTER_CONFIG = "adapter_model.safetensors", "adapter_config.json"
# Which check is for which adapter.
NAMED = {
    "NaN": "weights_finite",
    "another base": "shapes_fit",
    "zero change": "weights_differ",
    "constant answer": "not_constant",
    "one token": "answer_length",
    "sign-flipped": "consensus_agreement",
    "over-scaled x50": "kl_to_base",
}
Tensors = dict[str, "np.ndarray[Any, Any]"]


class Users(threading.Thread):
    """Ask one question after the other, and count the versions that answer."""

    def __init__(self, server: Served, prompts: tuple[Prompt, ...], learn: bool) -> None:
        super().__init__(daemon=True)
        self._server, self._prompts, self._learn = server, prompts, learn
        self._ended = threading.Event()
        self.versions: Counter[str] = Counter()
        self.failed = 0

    def run(self) -> None:
        import urllib.error
        import urllib.request

        while not self._ended.is_set():
            for prompt in self._prompts:
                if self._ended.wait(0.2):
                    return
                body = {"messages": [{"role": "user", "content": prompt.text}], "max_tokens": 24}
                headers = {"Content-Type": "application/json"}
                if not self._learn:
                    headers["X-Empo-Learn"] = "no"
                request = urllib.request.Request(
                    self._server.url + "/v1/chat/completions", json.dumps(body).encode(), headers
                )
                try:
                    with urllib.request.urlopen(request, timeout=600) as response:
                        self.versions[response.headers["X-Empo-Version"]] += 1
                except (urllib.error.URLError, OSError):
                    self.failed += 1

    def end(self) -> None:
        self._ended.set()
        self.join(600)


def changed(live: Path, folder: Path, change: Callable[[Tensors], Tensors]) -> Path:
    """The live version's files with other weights."""
    folder.mkdir(parents=True)
    shutil.copyfile(live / ADAPTER_CONFIG, folder / ADAPTER_CONFIG)
    save_file(change(load_file(live / WEIGHTS)), folder / WEIGHTS, metadata={"format": "pt"})
    return folder


def on_b(factor: float) -> Callable[[Tensors], Tensors]:
    return lambda t: {n: v * np.float32(factor) if "lora_B" in n else v for n, v in t.items()}


def with_nan(tensors: Tensors) -> Tensors:
    first = sorted(tensors)[0]
    return tensors | {first: np.full_like(tensors[first], np.nan)}


def of_another_base(tensors: Tensors) -> Tensors:
    """As if the hidden size were another one."""
    return {
        n: np.ascontiguousarray(v[:, :-8] if "lora_A" in n else v[:-8]) for n, v in tensors.items()
    }


def taught(
    model_dir: Path, live: Path, folder: Path, pairs: list[tuple[str, str]], one_token: bool
) -> Path:
    """The live version, taught by plain cross-entropy to give these answers."""
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(model_dir)
    base = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
    model = PeftModel.from_pretrained(base, live, is_trainable=True)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    rows = []
    for question, answer in pairs:
        chat = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}], add_generation_prompt=True, tokenize=False
        )
        prompt = tokenizer(chat, add_special_tokens=False)["input_ids"]
        target = tokenizer(answer, add_special_tokens=False)["input_ids"]
        target = [*target[: 1 if one_token else None], tokenizer.eos_token_id]
        rows.append((prompt, target))
    for step in range(25):
        loss = torch.zeros(())
        for prompt, target in rows[step % 2 :: 2]:
            ids = torch.tensor([prompt + target])
            labels = torch.tensor([[-100] * len(prompt) + target])
            loss = loss + model(input_ids=ids, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    print(f"  taught: last loss {float(loss) / len(rows[::2]):.3f}", flush=True)
    model.save_pretrained(folder)
    return folder


def adapters_of(server: Served) -> list[dict[str, Any]]:
    return list(server.get("/admin/v1/adapters", admin=True)[1]["adapters"])


def live_of(server: Served) -> str:
    return str(server.get("/admin/v1/status", admin=True)[1]["live"])


def show(verdict: dict[str, Any]) -> None:
    print(
        f"  {verdict['num_queries']} queries, {verdict['num_heldout']} held out; "
        f"{verdict['num_completions']} completions"
    )
    for check in verdict["checks"]:
        outcome = {True: "passed", False: "FAILED", None: "skipped"}[check["passed"]]
        print(f"  {check['name']:<22}{outcome:<9}{check['detail']}")


def is_training(server: Served) -> bool:
    status = server.get("/admin/v1/status", admin=True)[1]
    return status["learning"]["update_running"] is not None


def learn(server: Served, prompts: tuple[Prompt, ...], updates: int, timeout_s: float) -> None:
    users = Users(server, prompts, learn=True)
    users.start()
    deadline, shown = time.monotonic() + timeout_s, 1
    ended = 0
    while ended < updates and time.monotonic() < deadline:
        time.sleep(1)
        rows = server.get("/admin/v1/updates", admin=True)[1]["updates"]
        ended = sum(row["state"] in ("PUBLISHED", "REJECTED") for row in rows)
        for adapter in adapters_of(server)[shown:]:
            if adapter["gate"]:
                print(f"healthy {adapter['version']}: {adapter['state']}", flush=True)
                show(adapter["gate"])
                shown += 1
    users.end()


def ask_all(server: Served, prompts: tuple[Prompt, ...]) -> None:
    """Let the server see every question, and sample it."""
    users = Users(server, prompts, learn=True)
    users.start()
    server.until(lambda: users.versions.total() >= len(prompts), 600)
    users.end()
    server.until(lambda: server.metric("empo_background_queue") == 0, 600)
    server.until(lambda: server.metric("empo_background_inflight") == 0, 600)


def bring_in(server: Served, name: str, adapter: Path) -> tuple[int, list[str], float]:
    """Import an adapter as an operator does: exit code, the checks that failed, seconds."""
    started, before = time.perf_counter(), len(adapters_of(server))
    done = subprocess.run(
        [
            *(sys.executable, "-m", "empo_serve", "adapters", "import", str(adapter)),
            *("--set", f"server.admin_port={server.admin_port}"),
        ],
        capture_output=True,
        text=True,
    )
    seconds = time.perf_counter() - started
    rows = adapters_of(server)[before:]
    failed = [c["name"] for r in rows for c in r["gate"]["checks"] if c["passed"] is False]
    print(f"\n{name}: exit code {done.returncode} after {seconds:.1f} s", flush=True)
    for row in rows:
        show(row["gate"])
    if not rows:
        failed = [word for word in NAMED.values() if f"{word}: " in done.stderr]
        print(f"  {done.stderr.strip()}", flush=True)
    return done.returncode, failed, seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--updates", type=int, default=4)
    parser.add_argument("--learned", type=Path, help="an adapter that has learned, instead")
    parser.add_argument("--minutes", type=float, default=12, help="for learning")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="empo-bad-"))
    prompts = split_by_hash(load_traffic(BUNDLED_TRAFFIC)).traffic
    settings = (*options.set, f"train.enabled={str(options.learned is None).lower()}")
    server = Served(folder / "data", *settings, config=CONFIG).wait_ready(300)
    outcomes = []
    try:
        if options.learned is None:
            learn(server, prompts, options.updates, 60 * options.minutes)
        else:
            ask_all(server, prompts)
        server.post("/admin/v1/learning/pause", admin=True)
        server.until(lambda: not is_training(server), timeout_s=600)
        if options.learned is not None:
            bring_in(server, "learned elsewhere", options.learned)
        version = live_of(server)
        live, model_dir = folder / "data" / "adapters" / version, folder / "data" / "model"
        print(f"live: {version}", flush=True)
        texts = [prompt.text for prompt in prompts[:16]]
        gold = [prompt.gold[0] for prompt in prompts[:16]]
        bad = {
            "NaN": changed(live, folder / "nan", with_nan),
            "another base": changed(live, folder / "base", of_another_base),
            "zero change": changed(live, folder / "zero", lambda t: t),
            "sign-flipped": changed(live, folder / "flipped", on_b(-1)),
            "over-scaled x50": changed(live, folder / "scaled", on_b(50)),
            "constant answer": taught(
                model_dir, live, folder / "constant", [(t, "Paris") for t in texts], False
            ),
            "one token": taught(
                model_dir, live, folder / "one", list(zip(texts, gold, strict=True)), True
            ),
        }
        users = Users(server, prompts, learn=False)
        users.start()
        for name, adapter in bad.items():
            outcomes.append((name, *bring_in(server, name, adapter)))
        users.end()
        served = {v: n for v, n in users.versions.items() if v != version}
    finally:
        server.stop()
    print("\n| candidate | refused | named check | all that failed | s |\n|---|---|---|---|---|")
    for name, code, failed, seconds in outcomes:
        named = NAMED[name] if NAMED[name] in failed else f"NOT {NAMED[name]}"
        refused = "yes" if code == 1 else "NO"
        print(f"| {name} | {refused} | {named} | {', '.join(failed)} | {seconds:.1f} |")
    print(
        f"\n{sum(users.versions.values())} answers to users meanwhile, {users.failed} failed, "
        f"{sum(served.values())} by a bad candidate"
    )
    ok = all(code == 1 and NAMED[name] in failed for name, code, failed, _ in outcomes)
    shutil.rmtree(folder)
    return 0 if ok and not served and not users.failed else 1


if __name__ == "__main__":
    sys.exit(main())
