"""schemathesis reads the served OpenAPI documents and looks for answers that they do not allow."""

from __future__ import annotations

import hashlib
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Served

CONFIG = Path(__file__).parent.parent / "schemathesis.toml"


KEY = "sk-openapi"
AUTHORIZATION = {"Authorization": f"Bearer {KEY}"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    scopes = '["serve", "learn", "admin"]'
    keys = f'auth.keys=[{{name="somebody", sha256="{digest}", scopes={scopes}}}]'
    settings = ("engine.kind=fake", "semantics.equivalence=rules", "gate.num_queries=2", keys)
    server = Served(tmp_path_factory.mktemp("openapi") / "data", *settings).wait_ready()
    for number in range(5):  # something to find under /admin/v1/queries
        assert server.chat(f"What is the word of {number}?", headers=AUTHORIZATION)[0] == 200
    server.until(lambda: ask(server, "GET", "/admin/v1/queries", admin=True)[2]["queries"])
    yield server
    assert server.stop() == 0, server.log.read_text()


def ask(
    served: Served,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
    admin: bool = False,
) -> tuple[int, http.client.HTTPMessage, Any]:
    port = served.admin_port if admin else served.port
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, AUTHORIZATION | (headers or {}))
        response = connection.getresponse()
        return response.status, response.headers, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize("api", ["public", "admin"])
def test_no_answer_breaks_the_document(served: Served, api: str) -> None:
    """A request without its key is among them."""
    url = served.url if api == "public" else served.admin_url
    command = [sys.executable, "-m", "schemathesis.cli", "--no-color", "--config-file", str(CONFIG)]
    command += ["run", f"{url}/openapi.json", "--max-examples", "2"]
    command += ["--header", f"Authorization: Bearer {KEY}"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert found.returncode == 0, found.stdout
    for phase in ("Coverage", "Fuzzing", "Stateful"):
        assert f"✅ {phase}" in found.stdout, found.stdout
    log = served.log.read_text()
    assert "Traceback" not in log, log[log.index("Traceback") :][:3000]


def test_the_document_is_where_clients_look_for_it(served: Served) -> None:
    for admin in (False, True):
        status, document = served.get("/openapi.json", admin=admin)
        assert status == 200
        assert document["openapi"] == "3.1.0"
        assert ("/v1/models" in document["paths"]) is not admin
        assert ("/admin/v1/status" in document["paths"]) is admin


# What schemathesis and the fuzzed bodies found, each by itself.


def test_a_wrong_method_is_told_the_right_ones(served: Served) -> None:
    status, headers, body = ask(served, "PUT", "/v1/chat/completions")
    assert (status, headers["Allow"], body["error"]["code"]) == (405, "POST", 405)


@pytest.mark.parametrize(
    ("path", "param"),
    [
        ("/admin/v1/queries?limit=" + "9" * 5000, "limit"),
        ("/admin/v1/queries?limit=", "limit"),
        ("/admin/v1/queries?limit=0", "limit"),
        ("/admin/v1/queries?limit=%C2%B2", "limit"),
        ("/admin/v1/queries?cursor=-1", "cursor"),
        ("/admin/v1/queries?band=all", "band"),
    ],
)
def test_a_wrong_query_parameter_is_named(served: Served, path: str, param: str) -> None:
    status, _, body = ask(served, "GET", path, admin=True)
    assert (status, body["error"]["param"]) == (400, param)


@pytest.mark.parametrize("before", ["", "inf", "1e999", "nan", "soon"])
def test_deleting_before_no_time_deletes_nothing(served: Served, before: str) -> None:
    status, _, body = ask(served, "DELETE", f"/admin/v1/queries?before={before}", admin=True)
    assert (status, body["error"]["param"]) == (400, "before")


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("multipart/form-data", b""),
        ("multipart/form-data; boundary=x", b"no boundary here"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"'),
        ("multipart/form-data; boundary=x", b"--x\r\nContent-Length: many\r\n\r\n\r\n--x--\r\n"),
        ("multipart/form-data; boundary=" + "x" * 80, b""),
        ("multipart/mixed; boundary=x", b"--x--\r\n"),
        ("application/json", b"{}"),
    ],
)
def test_an_upload_that_is_none_is_refused(served: Served, content_type: str, body: bytes) -> None:
    headers = {"Content-Type": content_type}
    status, _, answer = ask(served, "POST", "/admin/v1/adapters", body, headers, admin=True)
    assert (status, answer["error"]["code"]) == (400, 400)
