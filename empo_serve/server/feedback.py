"""`POST /v1/feedback`: what a user thought of an answer."""

from __future__ import annotations

from aiohttp import web
from pydantic import ValidationError

from empo_serve.server.auth import ANYBODY, PRINCIPAL
from empo_serve.server.bodies import Rated, RatingRequest
from empo_serve.server.errors import BadRequest
from empo_serve.server.json_body import json_object
from empo_serve.server.keys import CONFIG, CONTROL
from empo_serve.server.slow_clients import read_body

_SCORES = {"up": 1.0, "down": -1.0}


async def rate(request: web.Request) -> web.Response:
    raw = await read_body(request, request.app[CONFIG].limits.client_timeout_s)
    if request.content_type != "application/json":
        raise BadRequest("Send the rating as application/json.", kind="Bad Request")
    rating = _parse(json_object(raw))
    score = rating.score if rating.rating is None else _SCORES[rating.rating]
    assert score is not None
    principal = request.get(PRINCIPAL, ANYBODY)
    is_known = await request.app[CONTROL].feedback.rate(
        rating.query_id, principal.name, score, rating.comment
    )
    if not is_known:
        raise BadRequest(
            f"You have no stored query {rating.query_id}: the id is wrong, the query was deleted "
            "or is too old, or it was sent with X-Empo-Learn: no, or may not be learned from.",
            status=404,
            kind="NotFoundError",
            param="query_id",
        )
    return web.json_response(Rated(query_id=rating.query_id, score=score).model_dump())


def _parse(body: dict[str, object]) -> RatingRequest:
    try:
        rating = RatingRequest.model_validate(body)
    except ValidationError as e:
        error = e.errors()[0]
        name = str(error["loc"][0])
        if error["type"] == "extra_forbidden":
            raise BadRequest(f"There is no field {name!r}.", param=name) from e
        raise BadRequest(f"{name}: {error['msg']}.", param=name) from e
    if (rating.score is None) is (rating.rating is None):
        raise BadRequest('Give either "score" or "rating".', param="score")
    return rating
