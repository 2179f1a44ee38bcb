"""Between the network and the answers: who may ask, how often, how much; headers of all answers."""

import json
import math
from collections.abc import Collection
from urllib.parse import urlsplit

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mindeye.retrieval.gallery.serving.limits import ServeLimits, TokenBuckets
from mindeye.retrieval.gallery.serving.refusal import QueryError

# Searches cost the most; a page of results asks for many pictures at once.
SEARCH_COST = 1.0
OTHER_COST = 0.02
HEADERS = {
    # Captions are others' text: whatever the page did with them, no script of theirs could run.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
}


class Guard:
    """An ASGI application around another one."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        hosts: Collection[str] | None,
        origins: Collection[str],
        limits: ServeLimits,
    ) -> None:
        """Guards `app`.

        Args:
            hosts: names by which the server may be called; a page of another name whose address
                was turned to this machine (DNS rebinding) is refused. None: any.
            origins: pages of other servers that may ask.
        """
        self.app, self.hosts, self.origins = app, hosts, origins
        self.buckets = TokenBuckets(limits.rate, limits.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    if name != "cross-origin-resource-policy" or not self.origins:
                        headers.setdefault(name, value)
            await send(message)

        app = self.app
        try:
            self._require_known(Headers(scope=scope))
            self._require_patience(scope)
        except QueryError as error:
            app = refusal(error)
        await app(scope, receive, send_with_headers)

    def _require_known(self, headers: Headers) -> None:
        """Refuses names that are not ours, and pages of other servers."""
        host = headers.get("host", "")
        if self.hosts is not None and _name_of(host) not in self.hosts:
            raise QueryError("This server is not known by that name.", status=421)
        origin = headers.get("origin")
        if origin is None or origin in self.origins:
            return
        if origin not in (f"http://{host}", f"https://{host}"):
            raise QueryError(
                "A page of another server asks. Start this server with --allow-origin to let it.",
                status=403,
            )

    def _require_patience(self, scope: Scope) -> None:
        client = scope["client"][0] if scope.get("client") else ""
        cost = SEARCH_COST if scope["method"] == "POST" else OTHER_COST
        wait = self.buckets.seconds_to_wait(client, cost)
        if wait:
            raise QueryError("Too many requests.", status=429, retry_after_s=wait)


def _name_of(host: str) -> str | None:
    """Without the port; None of what is no address, such as `[`."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None


async def read_body(request: Request, limits: ServeLimits) -> bytes:
    """The body of a request, as far as it is allowed to be long and slow.

    Raises:
        QueryError: it is neither.
    """
    too_long = QueryError(f"The body has more than {limits.max_body:,} bytes.", status=413)
    announced = request.headers.get("content-length", "0")
    if not announced.isdecimal() or len(announced) > 18 or int(announced) > limits.max_body:
        raise too_long
    body = bytearray()
    try:
        with anyio.fail_after(limits.patience_s):
            async for part in request.stream():
                body += part
                if len(body) > limits.max_body:
                    raise too_long
    except TimeoutError as error:
        raise QueryError("The body did not arrive in time.", status=408) from error
    except ClientDisconnect as error:
        raise QueryError("The body was cut off.") from error
    return bytes(body)


def refusal(error: QueryError) -> Response:
    """The same for the client; clip-retrieval's own word for it is `message`."""
    headers = {}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    return Response(
        json.dumps({"message": str(error)}),
        status_code=error.status,
        headers=headers,
        media_type="application/json",
    )
