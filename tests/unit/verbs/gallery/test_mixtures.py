"""`mindeye gallery mixtures`: a gallery of pictures grows by vectors that have none."""

import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as parquet
import pytest

from mindeye.cli import main
from mindeye.retrieval.gallery.folder import open_gallery, write_kept
from mindeye.verbs.gallery import mixtures
from mindeye.verbs.gallery.mixtures import picture_rows

NUM_PICTURES = 32


@pytest.fixture
def own_gallery(gallery, tmp_path):
    """A copy, to which vectors can be added."""
    return shutil.copytree(gallery, tmp_path / "own")


@pytest.fixture
def mix(own_gallery, tmp_path, capsys):
    """Runs the verb; gives the folder and what stood on the screen."""

    def run(count: int, *more: str):
        out = tmp_path / "mixtures"
        where = ["--out", str(out), "--vectors", str(count), "--per-shard", "40"]
        main(["gallery", "mixtures", str(own_gallery), *where, *more])
        return out, capsys.readouterr().out

    return run


def test_the_printed_command_adds_them_behind_the_pictures(own_gallery, mix):
    pictures = open_gallery(own_gallery)
    assert pictures.num_rows == NUM_PICTURES
    out, screen = mix(100)
    assert "100 made-up vectors of 16 numbers" in screen
    assert "SIMULATED" in screen
    main(["gallery", "build", str(out), "--out", str(own_gallery), "--network", pictures.network])
    assert f"--network '{pictures.network}' adds them" in screen
    grown = open_gallery(own_gallery)
    assert grown.num_rows == NUM_PICTURES + 100
    # A tenth is unsafe by its made-up scores.
    assert 80 <= grown.num_kept - NUM_PICTURES < 100
    rows = np.arange(NUM_PICTURES, grown.num_rows)
    known = {record.get("caption") or record["key"] for record in pictures.records(np.arange(32))}
    for record in grown.records(rows):
        assert record["caption"].startswith("SIMULATED mixture: ")
        assert any(name in record["caption"] for name in known)
        assert record["url"].startswith("http://pictures.invalid/")


def test_what_was_added_is_not_mixed_itself_and_more_can_follow(own_gallery, mix, contents):
    network = open_gallery(own_gallery).network
    out, _ = mix(80)
    before = contents(out)
    main(["gallery", "build", str(out), "--out", str(own_gallery), "--network", network])
    mix(120)
    assert {name: contents(out)[name] for name in before} == before
    assert len(list((out / "metadata").iterdir())) == 3


def test_a_killed_run_goes_on_to_the_same_numbers(mix):
    out, _ = mix(80)
    whole = np.load(out / "img_emb" / "img_emb_0001.npy")
    (out / "metadata" / "metadata_0001.parquet").unlink()
    mix(80)
    assert (np.load(out / "img_emb" / "img_emb_0001.npy") == whole).all()
    assert parquet.read_metadata(out / "metadata" / "metadata_0001.parquet").num_rows == 40


def test_another_seed_and_no_vector_are_refused(mix, capsys, contents, tmp_path):
    out, _ = mix(40)
    before = contents(out)
    for count, more, told in ((40, ["--seed", "1"], "of other settings"), (0, [], "Ask for some")):
        with pytest.raises(SystemExit) as ended:
            mix(count, *more)
        assert ended.value.code == 2
        assert told in capsys.readouterr().err
    assert contents(out) == before


def test_fewer_than_are_there_are_refused_and_all_stay(mix, capsys, contents):
    out, _ = mix(100)
    before = contents(out)
    for count in (99, 40, 7):
        with pytest.raises(SystemExit):
            mix(count)
        assert f"holds 100 made-up vectors, more than {count}" in capsys.readouterr().err
        assert contents(out) == before


def test_a_gallery_without_pictures_is_refused(own_gallery, mix, capsys, tmp_path):
    network = open_gallery(own_gallery).network
    out, _ = mix(40)
    bare = tmp_path / "bare"
    main(["gallery", "build", str(out), "--out", str(bare), "--network", network])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["gallery", "mixtures", str(bare), "--out", str(tmp_path / "m"), "--vectors", "9"])
    assert "0 embeddings cannot be mixed" in capsys.readouterr().err
    assert not (tmp_path / "m").exists()


def test_only_pictures_that_can_be_found_are_mixed(own_gallery):
    opened = open_gallery(own_gallery)
    first, *others = opened.shards
    kept = write_kept(opened.path, first.name, np.array([1, 3]), first.count)
    fewer = replace(opened, shards=(replace(first, kept=kept, num_kept=2), *others))
    assert picture_rows(fewer).tolist() == [1, 3, *range(first.count, NUM_PICTURES)]


def test_of_a_large_gallery_a_sample_is_mixed(own_gallery, monkeypatch):
    opened = open_gallery(own_gallery)
    monkeypatch.setattr(mixtures, "MAX_PICTURES", 5)
    first, other = (mixtures.mixed_vectors(opened, seed) for seed in (0, 1))
    assert len(first.embeddings) == len(first.names) == 5
    every = opened.vectors(np.arange(NUM_PICTURES))
    assert all((every == one).all(1).any() for one in first.embeddings)
    assert first.names != other.names


def test_room_is_asked_for_first(mix, capsys, monkeypatch, tmp_path):
    asked = []

    def full(path, num_bytes, what):
        asked.append(num_bytes)
        raise OSError("no room")

    monkeypatch.setattr(mixtures, "require_free_space", full)
    with pytest.raises(SystemExit):
        mix(1_000)
    assert "no room" in capsys.readouterr().err
    assert asked == [1_000 * (2 * 16 + 200)]
    assert not (tmp_path / "mixtures").exists()
