"""What stands in the place of a gallery's files and is not theirs."""

import numpy as np
import pytest

from mindeye.files import read_json, write_json
from mindeye.retrieval.gallery.folder import MANIFEST, open_gallery


@pytest.mark.parametrize("content", [{}, [], None, {"shards": [3]}, {"shards": [], "width": 3}])
def test_a_manifest_of_something_else_is_named(tmp_path, content):
    write_json(tmp_path / MANIFEST, content)
    with pytest.raises(
        ValueError, match=r"gallery\.json is not what `mindeye gallery build` writes"
    ):
        open_gallery(tmp_path)


def test_a_shard_with_what_this_version_does_not_know_is_named(gallery_of):
    gallery = gallery_of()
    content = read_json(gallery.path / MANIFEST)
    content["shards"][1]["licence"] = "cc0"
    write_json(gallery.path / MANIFEST, content)
    with pytest.raises(ValueError, match=r"argument 'licence'\)\. Is .* of a newer version\?"):
        open_gallery(gallery.path)


def test_files_that_are_gone_or_cut_off_are_named(gallery_of):
    gallery = gallery_of(kept={0: [1, 2]})
    first = gallery.shards[0]
    readers = {
        gallery.path / first.embeddings: (
            gallery.embeddings,
            lambda _: gallery.vectors(np.arange(1)),
        ),
        gallery.path / first.kept: (gallery.kept_rows,),
    }
    for path, reads in readers.items():
        whole = path.read_bytes()
        for left in (whole[:-1], whole[:20], b""):
            path.write_bytes(left)
            for read in reads:
                with pytest.raises(
                    ValueError, match=rf"{path.name} cannot be read .* Was it cut off"
                ):
                    read(first)
        path.unlink()
        for read in reads:
            with pytest.raises(FileNotFoundError, match=rf"{path.name} is missing\. Restore that"):
                read(first)
