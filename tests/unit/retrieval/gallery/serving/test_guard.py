"""Who may ask, how often, and how slowly; what stands above every answer."""

from dataclasses import replace

import pytest

pytest.importorskip("starlette", reason="needs the extra `serve`: pip install 'mindeye[serve]'")

import anyio
from starlette.requests import Request
from starlette.testclient import TestClient

from mindeye.retrieval.gallery.serving.app import Workers, make_app
from mindeye.retrieval.gallery.serving.guard import read_body
from mindeye.retrieval.gallery.serving.limits import ServeLimits
from mindeye.retrieval.gallery.serving.refusal import QueryError

QUERY = {"text": "x", "num_images": 3}


def app_of(service, origins=(), **limits):
    service = replace(service, limits=ServeLimits(**limits))
    return make_app(service, hosts={"localhost"}, origins=origins)


def client_of(app, address="10.0.0.1"):
    return TestClient(app, base_url="http://localhost:1234", client=(address, 5_000))


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:1234", 200),
        # As behind a proxy that speaks https.
        ("https://localhost:1234", 200),
        ("http://localhost:12345", 403),
        ("http://localhost:1234.evil.example", 403),
        ("null", 403),
    ],
)
def test_only_the_own_page_asks_and_no_page_that_begins_alike(service, origin, status):
    client = client_of(app_of(service))
    assert client.post("/knn-service", json=QUERY, headers={"origin": origin}).status_code == status


def test_a_page_that_may_not_ask_takes_nothing_of_those_that_may(service):
    client = client_of(app_of(service, rate=0.001, burst=1))
    foreign = {"origin": "https://evil.example"}
    assert client.post("/knn-service", json=QUERY, headers=foreign).status_code == 403
    assert client.post("/knn-service", json=QUERY).status_code == 200


def test_each_address_has_its_own_patience_and_pictures_hardly_take_any(service):
    app = app_of(service, rate=0.001, burst=2)
    first, other = client_of(app), client_of(app, "10.0.0.2")
    assert first.post("/knn-service", json=QUERY).status_code == 200
    assert {first.get("/picture/3").status_code for _ in range(40)} == {200}
    assert first.post("/knn-service", json=QUERY).status_code == 429
    assert other.post("/knn-service", json=QUERY).status_code == 200


def test_nobody_is_told_to_come_back_at_once(service):
    client = client_of(app_of(service, rate=2.0, burst=1))
    client.post("/knn-service", json=QUERY)
    answer = client.post("/knn-service", json=QUERY)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


def test_answers_are_for_the_own_page_unless_others_may_ask(service):
    name = "cross-origin-resource-policy"
    assert client_of(app_of(service)).get("/about").headers[name] == "same-origin"
    other = client_of(app_of(service, origins=["https://front.example"]))
    assert name not in other.get("/about").headers


def test_what_is_asked_for_is_not_kept_but_pictures_may_be(service):
    client = client_of(app_of(service))
    assert client.get("/picture/3").headers["cache-control"] == "private, max-age=3600"
    assert "cache-control" not in client.post("/knn-service", json=QUERY).headers
    assert client.get("/metadata").status_code == 405


def refused(receive, headers=()) -> QueryError:
    request = Request({"type": "http", "method": "POST", "headers": [*headers]}, receive)
    with pytest.raises(QueryError) as caught:
        anyio.run(read_body, request, ServeLimits(patience_s=0.05, max_body=1_000))
    return caught.value


def test_a_body_that_does_not_come_is_not_waited_for():
    async def late():
        await anyio.sleep(1)
        return {"type": "http.request", "body": b"{}"}

    error = refused(late)
    assert (error.status, str(error)) == (408, "The body did not arrive in time.")


def test_a_body_that_is_announced_as_too_long_is_not_read_at_all():
    async def unread():
        pytest.fail("read")

    assert refused(unread, [(b"content-length", b"1001")]).status == 413


def test_a_client_that_goes_away_is_no_failure_of_the_server():
    async def gone():
        return {"type": "http.disconnect"}

    assert str(refused(gone)) == "The body was cut off."


def test_whoever_was_answered_or_failed_makes_room_for_the_next():
    async def one_after_another():
        workers = Workers(ServeLimits(concurrency=1, waiting=0))
        assert [await workers.run(abs, -number) for number in range(3)] == [0, 1, 2]
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda number: 1 // number, 0)
        assert await workers.run(abs, -3) == 3

    anyio.run(one_after_another)
