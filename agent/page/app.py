"""The device's own page: what the bulletin holds, on the server's HTML and live by events.

No request leaves the plant: every script, style and picture comes from here. Reading only.
"""

import asyncio
import json
from pathlib import Path

from microdot import Microdot, Response

from agent.limits import PAGE_EVENT_CLIENTS, PAGE_EVENT_S, PAGE_HEAD_BYTES, PAGE_KEEP_ALIVE_S
from agent.page.guard import Guard
from agent.page.render import main_part, whole_page
from agent.page.words import LANGUAGES

TYPE_CHECKING = False  # Type checkers read this as True, interpreters as written.
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from agent.core.bulletin import Bulletin
    from agent.ports import Clock

STATIC = {
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
SECURITY = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
YEAR_S = 365 * 24 * 3600


class PageServer:
    """`start` binds; `port` is then the real one (0 asks for any free port)."""

    def __init__(
        self, bulletin: "Bulletin", clock: "Clock", host: str, port: int, language: str
    ) -> None:
        self._bulletin = bulletin
        self._clock = clock
        self._host = host
        self.port = port
        self._language = language
        self._listeners = 0
        folder = Path(__file__).resolve().parent / "static"
        self._static = {name: (folder / name).read_bytes() for name in STATIC}
        self._guard = Guard(self._microdot().handle_request)
        self._server: "asyncio.Server | None" = None

    async def start(self) -> None:
        """OSError when the port is taken."""
        self._server = await asyncio.start_server(
            self._guard.serve, self._host, self.port, limit=PAGE_HEAD_BYTES
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            await self._guard.close()
            self._server = None

    def _microdot(self) -> "Any":
        page = Microdot()

        async def index(request: "Any") -> "Response":
            language, chosen = self._language_of(request)
            html = whole_page(self._bulletin.snapshot(), language, self._clock.monotonic_ns())
            answer = _answer(html.encode(), "text/html; charset=utf-8")
            if chosen:
                cookie = f"lang={language}; Max-Age={YEAR_S}; Path=/; SameSite=Lax"
                answer.headers["Set-Cookie"] = cookie
            return answer

        async def static(request: "Any", name: str) -> "Response":
            if name not in self._static:
                return _error(404, f"{request.path} is not there")
            return _answer(self._static[name], STATIC[name])

        async def state(request: "Any") -> "Response":
            body = json.dumps(self._bulletin.snapshot()).encode()
            return _answer(body, "application/json")

        async def events(request: "Any") -> "Response":
            if self._listeners >= PAGE_EVENT_CLIENTS:
                return _error(503, f"{PAGE_EVENT_CLIENTS} pages are open already")
            language, _ = self._language_of(request)
            stream: Any = self._events(language)
            return _answer(stream, "text/event-stream")

        async def missing(request: "Any") -> "Response":
            return _error(404, f"{request.path} is not there")

        page.get("/")(index)
        page.get("/static/<name>")(static)
        page.get("/api/state")(state)
        page.get("/events")(events)
        page.errorhandler(404)(missing)
        return page

    async def _events(self, language: str) -> "AsyncIterator[str]":
        """The newest main part, again and again: a slow client skips, it never falls behind."""
        self._listeners += 1
        version = -1
        try:
            while self._listeners <= PAGE_EVENT_CLIENTS:  # a burst of them is let in at once
                version = await self._next_version(version)
                part = main_part(self._bulletin.snapshot(), language, self._clock.monotonic_ns())
                yield f"data: {json.dumps(part)}\n\n"
                await self._clock.sleep(PAGE_EVENT_S)
        finally:
            self._listeners -= 1

    async def _next_version(self, version: int) -> int:
        """When something changed, or after a while without: the page's ages grow too."""
        try:
            return await asyncio.wait_for(self._bulletin.changed(version), PAGE_KEEP_ALIVE_S)
        except TimeoutError:
            return version

    def _language_of(self, request: "Any") -> "tuple[str, bool]":
        """(language, whether it was just chosen): asked for, remembered, or the device's own."""
        asked = request.args.get("lang")
        if asked in LANGUAGES:
            return asked, True
        remembered = request.cookies.get("lang")
        return (remembered if remembered in LANGUAGES else self._language), False


def _answer(body: bytes, kind: str) -> "Response":
    return Response(body=body, headers={**SECURITY, "Content-Type": kind})


def _error(status: int, words: str) -> "Response":
    body = json.dumps({"error": words}).encode()
    return Response(
        body=body,
        status_code=status,
        headers={**SECURITY, "Content-Type": "application/json"},
    )
