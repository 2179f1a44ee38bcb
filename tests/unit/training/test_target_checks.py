"""The cache of targets before a training: room for it, and whose it is."""

import json
import shutil
from collections import namedtuple
from dataclasses import replace

import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.targets import cached_rows
from mindeye.training.fixed_targets import cache_bytes, check_targets
from mindeye.training.loop import train
from mindeye.training.networks import open_networks
from mindeye.training.subjects import open_subject


def make_cache(config):
    open_subject(PreparedSubject(config.data[0]), open_networks(config))


Usage = namedtuple("Usage", ["free"])


def test_a_disk_without_room_for_the_cache_is_refused_before_the_run(
    own, second_prepared, tmp_path, monkeypatch
):
    other = tmp_path / "second"
    shutil.copytree(second_prepared, other, ignore=shutil.ignore_patterns("targets"))
    config = replace(own, data=(*own.data, other))
    networks = open_networks(config)
    needed = sum(cache_bytes(networks, 38, 24).values())
    # Room for one subject, not for two.
    monkeypatch.setattr("shutil.disk_usage", lambda place: Usage(free=needed + 10))
    with pytest.raises(OSError, match=r"The embedding cache needs about 0\.05 MB, .* 0\.03 MB"):
        train(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert not list((own.data[0] / "targets").iterdir())


def cached_files(config):
    return sorted((config.data[0] / "targets").glob("*/rows.npy"))


def test_a_damaged_cache_is_refused_before_the_run(viewed, tmp_path):
    make_cache(viewed)
    for path in cached_files(viewed):
        whole = path.read_bytes()
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        with pytest.raises(ValueError, match=r"rows\.npy has SHA-256 .* Delete the folder"):
            train(viewed, tmp_path / "run")
        assert not (tmp_path / "run").exists()
        path.write_bytes(whole)
    check_targets([PreparedSubject(viewed.data[0])], open_networks(viewed))


def test_a_cache_of_other_pictures_is_refused_before_the_run(own, tmp_path):
    make_cache(own)
    for manifest in (own.data[0] / "targets").glob("tokens-*/manifest.json"):
        told = json.loads(manifest.read_text())
        manifest.write_text(json.dumps({**told, "pictures_sha256": "of another subject"}))
    with pytest.raises(ValueError, match=r"pictures_sha256 is of another subject, not \w+"):
        train(own, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_cache_is_read_for_its_hashes_once(own, tmp_path, monkeypatch):
    copy = tmp_path / "copy"
    make_cache(own)
    shutil.copytree(own.data[0], copy)
    read = []
    original = cached_rows.sha256_of
    monkeypatch.setattr(cached_rows, "sha256_of", lambda path: read.append(path) or original(path))
    networks = open_networks(own)
    for _ in range(2):
        check_targets([PreparedSubject(copy)], networks)
    assert len(read) == 2  # tokens and latents, once each
