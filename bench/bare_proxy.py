"""The least that a proxy in Python can do: what the gateway's own cost is measured against.

python bench/bare_proxy.py PORT ENGINE_URL
"""

import sys

from aiohttp import ClientSession, TCPConnector, web

PORT, ENGINE = int(sys.argv[1]), sys.argv[2]


async def forward(request: web.Request) -> web.StreamResponse:
    body, headers = await request.read(), {"Content-Type": request.content_type}
    async with SESSION.post(ENGINE + request.path, data=body, headers=headers) as answer:
        headers = {"Content-Type": answer.headers["Content-Type"]}
        if answer.content_type != "text/event-stream":
            return web.Response(body=await answer.read(), status=answer.status, headers=headers)
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        async for chunk in answer.content.iter_any():
            await response.write(chunk)
        await response.write_eof()
        return response


async def app() -> web.Application:
    global SESSION
    SESSION = ClientSession(connector=TCPConnector(limit=0))
    app = web.Application()
    app.router.add_post("/{path:.*}", forward)
    return app


web.run_app(app(), host="127.0.0.1", port=PORT, access_log=None, print=None)
