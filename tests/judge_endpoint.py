"""A chat endpoint over HTTP that judges pairs of answers by rule instead of by a model."""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from empo_serve.semantics.judging import check_pairs

# From question, first and second answer to the first tokens' probabilities, or an HTTP status.
Rule = Callable[[str, str, str], dict[str, float] | int]


class JudgeEndpoint:
    """`rule` may be changed at any time; `asked` holds every (question, first, second) so far."""

    def __init__(self, rule: Rule) -> None:
        self.rule = rule
        self.asked: list[tuple[str, str, str]] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.url = ""


def honest(question: str, a: str, b: str) -> dict[str, float]:
    """Right about every pair: the bundled ones, and those that differ only in brackets."""
    known = {(r["question"], frozenset((r["a"], r["b"]))): r["same"] for r in check_pairs()}
    same = known.get((question, frozenset((a, b))))
    if same is None:
        same = a.split(" (")[0] == b.split(" (")[0]
    return {"Yes": 0.97, "No": 0.02, "the": 0.01} if same else {"No": 0.97, "Yes": 0.03}


def yes_to_all(question: str, a: str, b: str) -> dict[str, float]:
    return {"Yes": 0.99, "No": 0.01}


def evasive(question: str, a: str, b: str) -> dict[str, float]:
    return {"Well": 0.9, "Yes": 0.05, "No": 0.01}


@contextmanager
def judge_endpoint(rule: Rule) -> Iterator[JudgeEndpoint]:
    endpoint = JudgeEndpoint(rule)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            endpoint.bodies.append(body)
            endpoint.headers.append(dict(self.headers))
            lines = body["messages"][-1]["content"].split("\n")
            question, a, b = (line.split(": ", 1)[1] for line in lines)
            endpoint.asked.append((question, a, b))
            said = endpoint.rule(question, a, b)
            if isinstance(said, int):
                self._reply(said, {"error": {"message": "no"}})
                return
            top = [{"token": t, "logprob": math.log(p)} for t, p in said.items()]
            content = [{"token": top[0]["token"], "logprob": 0.0, "top_logprobs": top}]
            self._reply(200, {"choices": [{"logprobs": {"content": content}}]})

        def _reply(self, status: int, body: Any) -> None:
            raw = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # a client that left

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
        try:
            yield endpoint
        finally:
            server.shutdown()
            thread.join()
