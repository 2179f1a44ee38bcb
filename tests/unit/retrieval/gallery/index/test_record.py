"""What is said of an index that was built: to which queries, and how well."""

import dataclasses

import numpy as np
import pytest

from mindeye.retrieval.gallery.index import build as building
from mindeye.retrieval.gallery.index import finish
from mindeye.retrieval.gallery.index.folder import current_folder


def test_what_was_asked_for_and_not_reached_is_said(gallery_of, build, chosen):
    record = build(gallery_of(), dataclasses.replace(chosen, recall=0.7))
    assert record.asked == 0.7
    assert not any("no setting reached" in line for line in record.lines)
    assert sum("<- chosen" in line for line in record.lines) == 1
    less = dataclasses.replace(record, recall=0.5)
    assert any("no setting reached the recall of 0.7" in line for line in less.lines)


def test_as_many_given_queries_measure_as_are_asked_for(
    gallery_of, clustered, tmp_path, build, chosen
):
    np.save(tmp_path / "q.npy", clustered.queries(20))
    given = dataclasses.replace(chosen, queries=tmp_path / "q.npy", num_queries=8)
    assert build(gallery_of(), given).measured_with == "8 queries of q.npy"


class Killed(BaseException):
    """As a kill, nothing catches it."""


def test_an_index_is_whole_before_it_is_the_current_one(gallery_of, build, monkeypatch):
    gallery = gallery_of()

    def killed(gallery, folder):
        assert (folder / "index.json").is_file()
        raise Killed

    with monkeypatch.context() as away:
        away.setattr(finish.folders, "make_current", killed)
        with pytest.raises(Killed):
            build(gallery)
    assert current_folder(gallery) is None
    build(gallery)
    assert (current_folder(gallery) / "index.json").is_file()


def test_blocks_that_are_whole_are_not_encoded_again(gallery_of, build, monkeypatch):
    gallery, encoded = gallery_of(), []
    plain = building.encode_shard

    def watched(gallery, shard, *given):
        encoded.append(shard.name)
        if encoded == ["s0", "s1"]:
            raise Killed
        return plain(gallery, shard, *given)

    monkeypatch.setattr(building, "encode_shard", watched)
    with pytest.raises(Killed):
        build(gallery)
    build(gallery)
    assert encoded == ["s0", "s1", "s1", "s2"]
