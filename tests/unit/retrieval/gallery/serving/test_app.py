"""The server as clients see it."""

import io
import json
import threading
from dataclasses import replace

import pytest
from PIL import Image

pytest.importorskip("starlette", reason="needs the extra `serve`: pip install 'mindeye[serve]'")

import anyio
from starlette.testclient import TestClient

from mindeye.retrieval.gallery.serving.app import Workers, make_app
from mindeye.retrieval.gallery.serving.limits import ServeLimits
from mindeye.retrieval.gallery.serving.refusal import QueryError

HOSTS = {"localhost", "127.0.0.1", "::1"}


def client_of(service, hosts=HOSTS, origins=(), **limits):
    service = replace(service, limits=ServeLimits(**limits)) if limits else service
    app = make_app(service, hosts=hosts, origins=origins)
    return TestClient(app, base_url="http://localhost:1234", raise_server_exceptions=False)


@pytest.fixture
def client(service):
    return client_of(service)


def test_clip_retrievals_three_routes_answer(client):
    assert client.get("/indices-list").json() == ["scenes"]
    # ClipClient sends JSON without saying that it is JSON.
    body = json.dumps({"text": "a dog", "indice_name": "scenes", "num_images": 3})
    found = client.post("/knn-service", content=body).json()
    assert [set(one) >= {"id", "similarity", "caption"} for one in found] == [True] * 3
    told = client.post("/metadata", json={"ids": [found[0]["id"]], "indice_name": "scenes"}).json()
    assert told == [
        {
            "id": found[0]["id"],
            "metadata": {name: found[0][name] for name in ("url", "caption") if name in found[0]},
        }
    ]


def test_the_page_is_whole_and_asks_for_nothing_from_elsewhere(client):
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for path in ("/page.css", "/page.js"):
        assert path in page.text
        assert client.get(path).status_code == 200
    for text in (page.text, client.get("/page.css").text, client.get("/page.js").text):
        assert "http://" not in text
        assert "https://" not in text
    # Captions are others' text.
    assert "innerHTML" not in client.get("/page.js").text
    assert client.get("/about").json()["brain_images"] == [300, 307]


def test_every_answer_has_the_headers_that_keep_scripts_out(client):
    for answer in (client.get("/"), client.get("/nothing"), client.post("/knn-service")):
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers


def test_pictures_come_as_small_jpegs_by_their_number(client):
    for path, size in (("/picture/3", (20, 40)), ("/brain/307", (128, 256))):
        answer = client.get(path)
        assert answer.headers["content-type"] == "image/jpeg"
        assert Image.open(io.BytesIO(answer.content)).size == size
    assert client.get("/picture/13").status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/picture/../../etc/passwd",
        "/picture/..%2f..%2fetc%2fpasswd",
        "/picture/%2e%2e/page.html",
        "/picture/-1",
        "/picture/1.0",
        "/picture/1e3",
        "/picture/0x1",
        "/picture/%D9%A3",
        "/picture/24",
        "/picture/" + "9" * 30,
        "/picture/" + "9" * 5000,
        "/picture/",
        "/brain/../page.html",
        "/brain/301",
        "/page.html",
        "/gallery.json",
        "//etc/passwd",
    ],
)
def test_path_tricks_find_nothing(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert set(answer.json()) == {"message"}


def test_a_body_that_is_too_long_is_refused_before_it_is_read(service):
    client = client_of(service, max_body=1_000)
    for content in (b"{" + b" " * 1_000, (part for part in [b" " * 600] * 2)):
        answer = client.post("/knn-service", content=content)
        assert answer.status_code == 413
        assert "1,000 bytes" in answer.json()["message"]
    sent = {"content-length": "9" * 30}
    assert client.post("/knn-service", content=b"{}", headers=sent).status_code == 413


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b"{}", b"\x00", b'{"text": "x", "num_images": NaN}']
)
def test_a_hostile_body_is_refused_in_a_sentence(client, body):
    answer = client.post("/knn-service", content=body)
    assert answer.status_code == 400
    assert answer.json()["message"].endswith(".")


def test_captions_leave_as_data_and_never_as_a_page(client, made_up):
    answer = client.post("/knn-service", json={"text": "x", "num_images": 3})
    assert answer.headers["content-type"] == "application/json"
    assert made_up.caption in answer.json()[0]["caption"]


def test_no_answer_holds_a_path_of_the_server(service, gallery, tmp_path):
    class Failing:
        about = "fails"

        def search(self, queries, k):
            raise FileNotFoundError(f"{gallery.path} is gone")

    client = client_of(replace(service, index=Failing()))
    broken = client.post("/knn-service", json={"text": "x", "num_images": 3})
    assert broken.status_code == 500
    assert broken.headers["x-content-type-options"] == "nosniff"
    client = client_of(service)
    answers = [
        broken,
        client.get("/about"),
        client.post("/knn-service", json={"text": "x", "num_images": 24}),
        client.post("/metadata", json={"ids": [*range(20)]}),
        client.get("/picture/13"),
        client.post("/knn-service", json={"embedding_input": [1], "num_images": 3}),
    ]
    for answer in answers:
        assert str(tmp_path) not in answer.text
        assert "secret-folder" not in answer.text


def test_who_asks_too_often_is_told_when_to_come_back(service):
    client = client_of(service, rate=0.001, burst=2)
    body = {"text": "x", "num_images": 3}
    codes = [client.post("/knn-service", json=body).status_code for _ in range(3)]
    assert codes == [200, 200, 429]
    assert int(client.post("/knn-service", json=body).headers["retry-after"]) > 100


def test_a_page_of_another_server_gets_no_answer_unless_it_is_allowed(service):
    body = {"text": "x", "num_images": 3}
    foreign = {"origin": "https://evil.example"}
    client = client_of(service)
    assert client.post("/knn-service", json=body, headers=foreign).status_code == 403
    own = {"origin": "http://localhost:1234"}
    assert client.post("/knn-service", json=body, headers=own).status_code == 200
    client = client_of(service, origins=["https://front.example"])
    allowed = {"origin": "https://front.example"}
    answer = client.post("/knn-service", json=body, headers=allowed)
    assert answer.headers["access-control-allow-origin"] == "https://front.example"
    assert client.post("/knn-service", json=body, headers=foreign).status_code == 403


@pytest.mark.parametrize(
    ("host", "status"),
    [("127.0.0.1:1234", 200), ("[::1]:1234", 200), ("LOCALHOST", 200), ("rebound.example", 421)],
)
def test_a_name_that_was_turned_to_this_machine_is_refused(service, host, status):
    assert client_of(service).get("/about", headers={"host": host}).status_code == status
    assert client_of(service, hosts=None).get("/about", headers={"host": host}).status_code == 200


def test_other_methods_are_refused(client):
    assert client.get("/knn-service").status_code == 405
    assert client.delete("/picture/3").status_code == 405


def test_no_more_searches_run_and_wait_than_allowed():
    workers = Workers(ServeLimits(concurrency=2, waiting=3))
    may_end, running, most, ended = threading.Event(), [], [], []

    def search(number):
        running.append(number)
        most.append(len(running))
        may_end.wait(10)
        running.remove(number)
        return number

    async def ask(number):
        try:
            ended.append(await workers.run(search, number))
        except QueryError as error:
            ended.append(error.status)
            while len(running) < 2:
                await anyio.sleep(0.01)
            may_end.set()

    async def all_at_once():
        async with anyio.create_task_group() as group:
            for number in range(6):
                group.start_soon(ask, number)

    anyio.run(all_at_once)
    assert sorted(ended) == [0, 1, 2, 3, 4, 503]
    assert max(most) == 2


def test_a_host_that_is_no_address_is_refused_like_any_other(client):
    answer = client.get("/about", headers={"host": "["})
    assert answer.status_code == 421
    assert "content-security-policy" in answer.headers


def test_a_picture_that_was_moved_or_changed_is_not_found(service):
    for error in (FileNotFoundError("/secret/1.png"), ValueError("/secret/1.png is another")):

        def broken(row, error=error):
            raise error

        answer = client_of(replace(service, picture_bytes=broken)).get("/picture/3")
        assert answer.status_code == 404
        assert "secret" not in answer.text
