"""Made-up embeddings in LAION's layout."""

import numpy as np
import pyarrow.parquet as parquet
import pytest

from mindeye.simulate.clustered_vectors import ClusteredVectors
from mindeye.simulate.laion_shards import write_laion_shards

VECTORS = ClusteredVectors(width=16, num_clusters=5)


def test_the_shards_hold_the_vectors_and_one_row_of_metadata_each(tmp_path):
    write_laion_shards(tmp_path, 25, per_shard=10, vectors=VECTORS)
    files = sorted((tmp_path / "img_emb").iterdir())
    assert [file.name for file in files] == [f"img_emb_000{number}.npy" for number in range(3)]
    for number, (file, count) in enumerate(zip(files, (10, 10, 5), strict=True)):
        assert (np.load(file) == VECTORS.shard(number, count)).all()
        table = parquet.read_table(tmp_path / "metadata" / f"metadata_000{number}.parquet")
        assert table.column("caption")[0].as_py().startswith(f"made-up vector {10 * number} of")
        assert len(table) == count
    assert (tmp_path / "SIMULATED.json").is_file()


def test_more_vectors_can_follow_and_what_is_there_stays(tmp_path):
    write_laion_shards(tmp_path, 10, per_shard=10, vectors=VECTORS)
    first = tmp_path / "img_emb" / "img_emb_0000.npy"
    changed = first.stat().st_mtime_ns
    write_laion_shards(tmp_path, 20, per_shard=10, vectors=VECTORS)
    assert first.stat().st_mtime_ns == changed
    assert len([*(tmp_path / "img_emb").iterdir()]) == 2
    with pytest.raises(ValueError, match="of other settings"):
        write_laion_shards(tmp_path, 20, per_shard=5, vectors=VECTORS)


def test_the_columns_of_laion_400m_say_safety_in_a_word(tmp_path):
    write_laion_shards(tmp_path, 500, vectors=VECTORS, columns="laion-400m")
    table = parquet.read_table(tmp_path / "metadata" / "metadata_0000.parquet").to_pandas()
    assert set(table["NSFW"]) == {"UNLIKELY", "UNSURE", "NSFW"}
    assert {"URL", "TEXT", "LICENSE", "similarity"} <= set(table)


def test_unknown_columns_and_a_folder_of_something_else_are_refused(tmp_path):
    with pytest.raises(LookupError, match="Unknown columns `x`"):
        write_laion_shards(tmp_path / "new", 5, vectors=VECTORS, columns="x")
    (tmp_path / "thesis.txt").write_text("")
    with pytest.raises(ValueError, match="holds something else"):
        write_laion_shards(tmp_path, 5, vectors=VECTORS)
