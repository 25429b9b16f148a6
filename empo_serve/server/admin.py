"""The admin API: status, queries, adapters, updates, pause."""

from __future__ import annotations

import math
import re
import tempfile
from dataclasses import asdict
from pathlib import Path

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import HttpProcessingError

from empo_serve.adapters.files import CONFIG as ADAPTER_CONFIG
from empo_serve.adapters.files import WEIGHTS
from empo_serve.errors import AdapterError
from empo_serve.server.admin_bodies import AdapterList, ShownAdapter
from empo_serve.server.errors import BadRequest
from empo_serve.server.keys import CONFIG, CONTROL, METRICS, PIPELINE, Control
from empo_serve.server.operations import ADAPTER_ACTIONS, LEARNING_ACTIONS
from empo_serve.types import AdapterVersion, BandDecision

_DIGITS = re.compile("[0-9]{1,19}")
_LONG_FIELDS = ("prompt", "prompt_token_ids", "samples")


def add_routes(app: web.Application) -> None:
    app.router.add_get("/admin/v1/status", status)
    app.router.add_get("/admin/v1/queries", list_queries)
    app.router.add_delete("/admin/v1/queries", delete_queries)
    app.router.add_get("/admin/v1/queries/{id}", get_query)
    app.router.add_delete("/admin/v1/queries/{id}", delete_query)
    app.router.add_get("/admin/v1/adapters", list_adapters)
    app.router.add_post("/admin/v1/adapters", import_adapter)
    app.router.add_get("/admin/v1/adapters/{version}", show_adapter)
    app.router.add_post(
        f"/admin/v1/adapters/{{version}}/{{action:{'|'.join(ADAPTER_ACTIONS)}}}", change_adapter
    )
    app.router.add_get("/admin/v1/updates", list_updates)
    app.router.add_post("/admin/v1/updates", train_now)
    app.router.add_post(
        f"/admin/v1/learning/{{action:{'|'.join(LEARNING_ACTIONS)}}}", change_learning
    )


async def status(request: web.Request) -> web.Response:
    control, pipeline = request.app[CONTROL], request.app[PIPELINE]
    updates = await control.update_store.page(1)
    body = control.status() | {
        "ready": control.not_ready() is None,
        "not_ready_reason": control.not_ready(),
        "live": _live(control),
        "pinned": control.rollout.pinned,
        "canary": control.rollout.canary.version if control.rollout.canary else None,
        "loaded": control.rollout.loaded,
        "learning": await control.learning.as_dict(),
        "queue": pipeline.queue_length,
        "buffer": await control.store.counts(),
        "set_aside": await control.store.num_set_aside(),
        "last_update": updates[0] if updates else None,
    }
    return web.json_response(body)


async def list_queries(request: web.Request) -> web.Response:
    """Newest first, without texts; `cursor` of the answer asks for the next page."""
    limit = _whole_number(request, "limit", 100, highest=1000)
    cursor = _whole_number(request, "cursor", 0, highest=2**62)
    band = request.query.get("band")
    if band is not None and band not in set(BandDecision):
        raise BadRequest(f"band must be one of {', '.join(BandDecision)}.", param="band")
    rows = await request.app[CONTROL].store.page(
        limit, cursor or None, band, request.query.get("version")
    )
    short = [{k: v for k, v in row.items() if k not in _LONG_FIELDS} for row in rows]
    next_cursor = rows[-1]["group_id"] if len(rows) == limit else None
    return web.json_response({"queries": short, "cursor": next_cursor})


async def get_query(request: web.Request) -> web.Response:
    query_id = request.match_info["id"]
    control = request.app[CONTROL]
    row = await control.store.get(query_id)
    if row is None:
        raise BadRequest(f"There is no stored query {query_id}.", status=404, kind="NotFoundError")
    row["feedback"] = await control.ratings.get(query_id)
    return web.json_response(row)


async def delete_query(request: web.Request) -> web.Response:
    deleted = await request.app[CONTROL].feedback.delete(query_id=request.match_info["id"])
    return web.json_response({"deleted": deleted})


async def delete_queries(request: web.Request) -> web.Response:
    """What one principal asked, or what arrived before a time, or both together."""
    principal = request.query.get("principal")
    before = _unix_seconds(request, "before")
    if before is None and not principal:
        raise BadRequest("Give principal=<name>, before=<unix seconds>, or both.", param="before")
    deleted = await request.app[CONTROL].feedback.delete(before=before, principal=principal)
    return web.json_response({"deleted": deleted})


async def list_adapters(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    adapters = [_show(control, adapter) for adapter in await control.registry.all()]
    return web.json_response(asdict(AdapterList(adapters)))


async def show_adapter(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    adapter = await control.registry.get(request.match_info["version"])
    return web.json_response(asdict(_show(control, adapter)))


async def change_adapter(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    version, action = request.match_info["version"], request.match_info["action"]
    adapter = await control.registry.get(version)  # 404 if there is none; the rest is a conflict
    try:
        if action == "promote":
            adapter = await control.rollout.promote(version)
        elif action == "rollback":
            adapter = await control.take_back.roll_back(version)
        elif action == "pin":
            adapter = await control.rollout.pin(version)
        elif control.rollout.pinned != version:
            raise AdapterError(f"version {version} is not pinned")
        else:
            await control.rollout.unpin()
            control.updates.wake()
    except AdapterError as e:
        raise BadRequest(str(e), status=409, kind="ConflictError", param="version") from e
    return web.json_response(asdict(_show(control, adapter)))


async def import_adapter(request: web.Request) -> web.Response:
    """An adapter trained elsewhere, as two uploaded files: the same checks, then a CANDIDATE."""
    control = request.app[CONTROL]
    if not request.content_type.startswith("multipart/"):
        raise BadRequest(f"Upload {ADAPTER_CONFIG} and {WEIGHTS} as multipart/form-data.")
    with tempfile.TemporaryDirectory(prefix="empo-import-") as folder:
        await _receive(request, Path(folder))
        try:
            adapter = await control.registry.publish(Path(folder), control.rollout.live.version)
        except AdapterError as e:
            request.app[METRICS].gate_checks.labels(check="files", outcome="failed").inc()
            raise BadRequest(str(e), kind="AdapterError") from e
    adapter = await control.candidates.admit_import(adapter)
    return web.json_response(asdict(_show(control, adapter)), status=201)


async def list_updates(request: web.Request) -> web.Response:
    limit = _whole_number(request, "limit", 100, highest=1000)
    return web.json_response({"updates": await request.app[CONTROL].update_store.page(limit)})


async def train_now(request: web.Request) -> web.Response:
    """Start an update on whatever is pending."""
    control = request.app[CONTROL]
    pending = (await control.store.counts())["PENDING"]
    problem = (
        "training is off"
        if not control.updates.is_enabled
        else "learning is paused"
        if control.updates.is_paused
        else f"version {control.rollout.pinned} is pinned"
        if control.rollout.pinned
        else f"version {control.rollout.canary.version} is out as a canary"
        if control.rollout.canary
        else "no group is pending"
        if not pending
        else None
    )
    if problem is not None:
        raise BadRequest(f"Nothing to train: {problem}.", status=409, kind="ConflictError")
    control.updates.ask()
    return web.json_response({"pending": pending}, status=202)


async def change_learning(request: web.Request) -> web.Response:
    control = request.app[CONTROL]
    await control.updates.pause(request.match_info["action"] == "pause")
    return web.json_response({"paused": control.updates.is_paused})


async def _receive(request: web.Request, folder: Path) -> None:
    """Write the two files of an upload; their names are ours, whatever the client calls them."""
    try:
        await _receive_parts(request, folder)
    except (ValueError, HttpProcessingError) as e:
        raise BadRequest(f"The upload is not valid multipart/form-data: {e}") from e


async def _receive_parts(request: web.Request, folder: Path) -> None:
    left = request.app[CONFIG].limits.max_adapter_bytes
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader) or part.name not in (ADAPTER_CONFIG, WEIGHTS):
            raise BadRequest(f"Upload only {ADAPTER_CONFIG} and {WEIGHTS}.")
        with open(folder / part.name, "wb") as f:  # noqa: ASYNC230 - chunks of a local upload
            while chunk := await part.read_chunk(2**20):
                left -= len(chunk)
                if left < 0:
                    raise BadRequest(
                        "The adapter is larger than limits.max_adapter_bytes.", status=413
                    )
                f.write(chunk)


def _show(control: Control, adapter: AdapterVersion) -> ShownAdapter:
    requests = control.rollout.loaded.get(adapter.version)
    return ShownAdapter(
        **asdict(adapter),
        loaded=requests is not None,
        requests=requests or 0,
        pinned=control.rollout.pinned == adapter.version,
    )


def _live(control: Control) -> str | None:
    try:
        return control.rollout.live.version
    except AdapterError:
        return None


def _unix_seconds(request: web.Request, name: str) -> float | None:
    text = request.query.get(name)
    if text is None:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not math.isfinite(seconds):
        raise BadRequest(f"{name} must be a time in unix seconds.", param=name)
    return seconds


def _whole_number(request: web.Request, name: str, default: int, highest: int) -> int:
    text = request.query.get(name)
    if text is None:
        return default
    if not _DIGITS.fullmatch(text) or not 0 < int(text) <= highest:
        raise BadRequest(f"{name} must be a whole number from 1 to {highest}.", param=name)
    return int(text)
