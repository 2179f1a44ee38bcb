"""A gallery, a CLIP and a run behind one port: what is opened, what is refused."""

import dataclasses
import json
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

from mindeye.cli import main
from mindeye.data.batches import PreparedSubject
from mindeye.models.saved import load_decoder
from mindeye.pictures import as_images
from mindeye.retrieval.gallery.engine_choice import EngineChoice
from mindeye.retrieval.gallery.folder import GalleryShard, write_gallery
from mindeye.retrieval.gallery.serving.limits import ServeLimits
from mindeye.run import RunFolder
from mindeye.targets.clip import OFFLINE_CLIP, load_clip
from mindeye.verbs.gallery import serve as verb
from mindeye.verbs.gallery.serve import is_loopback, listen, open_service, simulated_notes

LIMITS = ServeLimits()


@pytest.fixture
def gallery(tmp_path, finished_run):
    """All pictures of a run's subject, embedded by the run's CLIP; neither captions nor files."""
    paths = RunFolder(path=finished_run).provenance()["paths"]
    prepared, clip = PreparedSubject(Path(paths["data"][0])), load_clip(paths["clip"])
    folder = tmp_path / "gallery"
    (folder / "embeddings").mkdir(parents=True)
    with torch.inference_mode():
        vectors = clip.tokens(as_images(np.array(prepared.images)))[:, 0]
    np.save(folder / "embeddings" / "0.npy", vectors.numpy().astype(np.float16))
    shard = GalleryShard(
        name="0",
        first=0,
        count=len(vectors),
        num_kept=len(vectors),
        embeddings=Path("embeddings/0.npy"),
        sha256="",
    )
    about = {"sources": [{}], "simulated": {"preset": "tiny"}}
    return write_gallery(
        folder, network=clip.identity, width=vectors.shape[1], shards=[shard], about=about
    )


def ids_found(service, **fields) -> list[int]:
    found = service.search(json.dumps({"num_images": 6} | fields).encode())
    return [one["id"] for one in found]


def best(gallery, vector) -> list[int]:
    return np.argsort(-(gallery.vectors(np.arange(gallery.num_rows)) @ vector))[:6].tolist()


def test_scans_find_what_the_first_retrieval_token_of_the_run_is_like(gallery, finished_run):
    service = open_service(gallery.path, limits=LIMITS, run=finished_run)
    prepared = PreparedSubject(Path(RunFolder(path=finished_run).provenance()["paths"]["data"][0]))
    scans = prepared.repeats("test")
    with torch.inference_mode():
        tokens = load_decoder(finished_run)(scans.mean(), scans.subject).retrieval_tokens
    assert service.brain.image_ids.tolist() == scans.image_ids.tolist()
    for number, image_id in enumerate(scans.image_ids.tolist()):
        assert ids_found(service, brain_image=image_id) == best(gallery, tokens[number, 0].numpy())
    shown = prepared.images[prepared.rows_of(scans.image_ids[:1].numpy())[0]]
    assert (service.brain.seen(int(scans.image_ids[0])) == shown).all()
    assert [note.split()[0] for note in service.notes] == ["SIMULATED"] * 2


def test_vectors_without_pictures_are_not_called_pictures(gallery):
    drawn = gallery.shards[0]
    bare = dataclasses.replace(drawn, name="1", first=drawn.count, num_kept=7, source=1)
    sources = [{"form": "webdataset", "simulated": {}}, {"form": "laion", "simulated": {"seed": 0}}]
    about = {"sources": sources, "simulated": {"seed": 0}}
    mixed = dataclasses.replace(gallery, shards=(drawn, bare), about=about)
    told = f"SIMULATED vectors: 7 of {drawn.count + 7} are made up, without pictures."
    assert simulated_notes(mixed) == ["SIMULATED pictures: drawn, no photographs.", told]
    alone = dataclasses.replace(mixed, shards=(dataclasses.replace(bare, first=0),))
    assert simulated_notes(alone) == ["SIMULATED vectors: 7 of 7 are made up, without pictures."]
    sources[1]["simulated"] = None
    assert simulated_notes(dataclasses.replace(alone, about={"sources": sources})) == []


def test_texts_and_pictures_are_embedded_by_the_runs_clip(gallery, finished_run):
    service = open_service(gallery.path, limits=LIMITS, run=finished_run)
    paths = RunFolder(path=finished_run).provenance()["paths"]
    prepared, clip = PreparedSubject(Path(paths["data"][0])), load_clip(paths["clip"])
    with torch.inference_mode():
        vector = clip.text_embeddings(["a dog"])[0].numpy()
    assert ids_found(service, text="a dog") == best(gallery, vector)
    picture = np.array(prepared.images[11])
    found = service.embedder.embed_picture(picture)
    assert found @ gallery.vectors(np.array([11]))[0] == pytest.approx(1, abs=2e-3)
    # As galleries are embedded: of what is not square the middle.
    wide = np.concatenate([np.zeros_like(picture), picture, np.zeros_like(picture)], axis=1)
    np.testing.assert_allclose(service.embedder.embed_picture(wide), found, atol=1e-6)
    tall = np.concatenate([np.zeros_like(picture), picture, np.zeros_like(picture)])
    np.testing.assert_allclose(service.embedder.embed_picture(tall), found, atol=1e-6)


def test_without_run_and_clip_a_gallery_of_another_network_is_searched_by_vectors(gallery):
    service = open_service(gallery.path, limits=LIMITS)
    assert service.embedder is None
    assert service.name == "gallery"
    with pytest.raises(ValueError, match=r"was embedded by tiny-clip-\w+, but .* is scenes-clip"):
        open_service(gallery.path, limits=LIMITS, clip=OFFLINE_CLIP)


def test_a_run_of_another_network_is_refused(gallery, finished_run, change_json):
    change_json(gallery.path / "gallery.json", lambda content: content.update(network="other"))
    with pytest.raises(ValueError, match="embedded by other"):
        open_service(gallery.path, limits=LIMITS, run=finished_run)


def test_a_run_of_tokens_without_an_embedding_is_refused(gallery, finished_run, change_json):
    patches = {"clip_tokens": "patches"}
    change_json(finished_run / "provenance.json", lambda content: content.update(patches))
    with pytest.raises(ValueError, match="learned `patches` tokens, of which none is comparable"):
        open_service(gallery.path, limits=LIMITS, run=finished_run)


def test_it_is_searched_by_the_engine_and_called_by_the_name_that_were_given(gallery, monkeypatch):
    chosen = []
    monkeypatch.setattr(verb, "open_engine", lambda gallery, one: chosen.append(one) or Index())
    choice = EngineChoice(engine="milvus", uri="x.db")
    service = open_service(gallery.path, limits=LIMITS, name="scenes", engine=choice)
    assert chosen == [choice]
    assert service.name == "scenes"


class Index:
    """Finds nothing."""

    about = "made up"

    def search(self, queries, k):
        raise NotImplementedError


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("LocalHost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.1.5", False),
        ("example.org", False),
    ],
)
def test_only_addresses_of_this_machine_are_its_own(host, local):
    assert is_loopback(host) is local


def test_other_machines_may_ask_only_where_that_is_said():
    with (
        pytest.raises(ValueError, match=r"0\.0\.0\.0.*--expose"),
        listen("0.0.0.0", 0, expose=False),
    ):
        pass
    with listen("0.0.0.0", 0, expose=True) as listening:
        assert listening.hosts is None
    with listen("127.0.0.1", 0, expose=False) as listening:
        assert "localhost" in listening.hosts
        assert listening.address == f"http://127.0.0.1:{listening.socket.getsockname()[1]}/"


def test_an_address_of_several_colons_is_shown_as_browsers_take_it():
    try:
        with listen("::1", 0, expose=False) as listening:
            port = listening.socket.getsockname()[1]
            assert listening.address == f"http://[::1]:{port}/"
    except OSError as error:
        pytest.skip(f"this machine has no address ::1 ({error})")


def test_a_port_in_use_ends_the_verb_before_anything_is_opened(tmp_path, capsys):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SystemExit) as caught:
            main(["gallery", "serve", str(tmp_path / "absent"), "--port", str(port)])
    assert caught.value.code == 2
    assert f"Port {port} of 127.0.0.1 is in use." in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--port", "0"], "is no gallery"),
        (["--port", "0", "--rate", "0"], "rate is 0.0"),
        (["--port", "0", "--max-k", "0"], "max_k is 0"),
        (["--port", "0", "--max-body", "0"], "max_body is 0"),
        (["--port", "65536"], "65536 is no port"),
        (["--subject", "1"], "belong to a run"),
        (["--host", "no.such.host.invalid", "--expose"], "There is no host"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(given, message, tmp_path, capsys):
    with pytest.raises(SystemExit) as caught:
        main(["gallery", "serve", str(tmp_path / "absent"), *given])
    assert caught.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_without_the_extra_the_verb_says_what_to_install(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("mindeye.verbs.gallery.serve.find_spec", lambda name: None)
    with pytest.raises(SystemExit):
        main(["gallery", "serve", str(tmp_path / "absent"), "--port", "0"])
    assert "pip install 'mindeye[serve]'" in capsys.readouterr().err
