"""Routes: clip-retrieval's three, the page with its files, and pictures by number."""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from mindeye.retrieval.gallery.serving.guard import Guard, read_body, refusal
from mindeye.retrieval.gallery.serving.limits import ServeLimits
from mindeye.retrieval.gallery.serving.refusal import QueryError
from mindeye.retrieval.gallery.serving.service import GalleryService

FOLDER = Path(__file__).parent
PAGE_FILES = {"/": "page.html", "/page.css": "page.css", "/page.js": "page.js"}
# More digits than any row has; int() of thousands of them is refused by Python itself.
MAX_DIGITS = 15


def make_app(
    service: GalleryService,
    *,
    hosts: Collection[str] | None,
    origins: Collection[str] = (),
) -> ASGIApp:
    """The whole server as an ASGI application; see `Guard` of the arguments."""
    workers = Workers(service.limits)

    async def knn(request: Request) -> Response:
        body = await read_body(request, service.limits)
        return JSONResponse(await workers.run(service.search, body))

    async def metadata(request: Request) -> Response:
        body = await read_body(request, service.limits)
        return JSONResponse(await workers.run(service.metadata, body))

    async def picture(request: Request) -> Response:
        row = number_of(request.path_params["row"])
        return _jpeg(await workers.run(service.thumbnail, row))

    async def seen(request: Request) -> Response:
        image_id = number_of(request.path_params["image_id"])
        return _jpeg(await workers.run(service.seen_thumbnail, image_id))

    async def indices(request: Request) -> Response:
        return JSONResponse([service.name])

    async def about(request: Request) -> Response:
        return JSONResponse(service.about())

    async def page(request: Request) -> Response:
        return FileResponse(FOLDER / PAGE_FILES[request.url.path])

    app = Starlette(
        routes=[
            Route("/knn-service", knn, methods=["POST"]),
            Route("/metadata", metadata, methods=["POST"]),
            Route("/indices-list", indices),
            Route("/about", about),
            Route("/picture/{row}", picture),
            Route("/brain/{image_id}", seen),
            *(Route(path, page) for path in PAGE_FILES),
        ],
        exception_handlers={
            QueryError: lambda request, error: refusal(error),
            HTTPException: _refused_by_route,
            Exception: _broken,
        },
    )
    inner: ASGIApp = app
    if origins:
        inner = CORSMiddleware(app, allow_origins=list(origins), allow_methods=["GET", "POST"])
    return Guard(inner, hosts=hosts, origins=frozenset(origins), limits=service.limits)


class Workers:
    """Threads for what takes time, so that a page still comes while a search runs."""

    def __init__(self, limits: ServeLimits) -> None:
        self.limits = limits
        self.limiter: anyio.CapacityLimiter | None = None
        self.num_inside = 0

    async def run(self, function: Callable[[Any], Any], argument: Any) -> Any:
        """Calls `function` in a thread.

        Raises:
            QueryError: too many wait already.
        """
        if self.limiter is None:
            # Only a running event loop can make one.
            self.limiter = anyio.CapacityLimiter(self.limits.concurrency)
        # Counted here: the limiter counts those that wait only after a turn of the event loop.
        if self.num_inside >= self.limits.concurrency + self.limits.waiting:
            raise QueryError("Too many searches are waiting.", status=503, retry_after_s=2.0)
        self.num_inside += 1
        try:
            return await anyio.to_thread.run_sync(function, argument, limiter=self.limiter)
        finally:
            self.num_inside -= 1


def number_of(text: str) -> int:
    """The number at the end of an address.

    Raises:
        QueryError: anything but decimal digits.
    """
    if not (text.isascii() and text.isdecimal() and len(text) <= MAX_DIGITS):
        raise QueryError("There is no picture of this number.", status=404)
    return int(text)


def _jpeg(content: bytes) -> Response:
    # A gallery row never means another picture.
    headers = {"cache-control": "private, max-age=3600"}
    return Response(content, media_type="image/jpeg", headers=headers)


def _refused_by_route(request: Request, error: HTTPException) -> Response:
    return refusal(QueryError(error.detail, status=error.status_code))


def _broken(request: Request, error: Exception) -> Response:
    """Tells nothing: the message may hold a path. Starlette raises it again, for the terminal."""
    return refusal(QueryError("The server failed; its terminal says why.", status=500))
