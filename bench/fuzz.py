"""Sends wrong bodies by the thousand to the gateway on the fake engine, and then has schemathesis
test both APIs. Ends with exit code 1 if an answer is a 5xx, no error object, or not in the
OpenAPI document, and if anything is left in progress.

    python bench/fuzz.py [--bodies 10000] [--examples 300] [--seed 1]
"""

from __future__ import annotations

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))
import mutations
from fuzzing import is_quiet, rest_of, rss_mb, send
from serving import Served

CONCURRENCY = 16
SCHEMATHESIS = Path(__file__).parent.parent / "tests" / "schemathesis.toml"


def send_bodies(server: Served, count: int, seed: int) -> bool:
    asyncio.run(send(server.url, mutations.requests(seed - 1, 500), CONCURRENCY))
    server.until(lambda: is_quiet(server))
    rss = rss_mb(server)

    outcome = asyncio.run(send(server.url, mutations.requests(seed, count), CONCURRENCY))

    statuses = ", ".join(f"{n} x {status}" for status, n in outcome.statuses.most_common())
    print(f"{count} bodies in {outcome.seconds:.0f} s: {statuses}")
    for fault in outcome.faults[:10]:
        print(f"fault: {fault}")
    deadline = time.monotonic() + 60
    while not is_quiet(server) and time.monotonic() < deadline:
        time.sleep(0.5)
    rest = {name: count for name, count in rest_of(server).items() if count}
    print(f"faults: {len(outcome.faults)}; still in progress: {rest or 'nothing'}")
    print(f"memory {rss:.0f} -> {rss_mb(server):.0f} MB")
    answers = server.chat("Still there?")[0] == 200
    has_trace = "Traceback" in server.log.read_text()
    print(f"still answers: {answers}; stack traces in the log: {has_trace}")
    return not outcome.faults and not rest and answers and not has_trace


def check_document(url: str, examples: int) -> bool:
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color"]
    command += ["--config-file", str(SCHEMATHESIS), "run", f"{url}/openapi.json"]
    done = subprocess.run(
        [*command, "--max-examples", str(examples)], capture_output=True, text=True
    )
    is_fine = done.returncode == 0
    print(done.stdout[done.stdout.index("API Operations:") :] if is_fine else done.stdout)
    return is_fine


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--bodies", type=int, default=10_000)
    parser.add_argument("--examples", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    settings = ("engine.kind=fake", "semantics.equivalence=rules", "gate.num_queries=2")
    settings += ('engine.args=["--first-token-s", "0.005"]',)
    with tempfile.TemporaryDirectory() as folder:
        server = Served(Path(folder) / "data", *settings).wait_ready()
        try:
            is_fine = [send_bodies(server, args.bodies, args.seed)] if args.bodies else []
            if args.examples:
                for url in (server.url, server.admin_url):
                    is_fine.append(check_document(url, args.examples))
        finally:
            server.stop()
    sys.exit(0 if all(is_fine) else 1)


if __name__ == "__main__":
    main()
