"""Columns of metadata, whatever kinds of values sources mix in them."""

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from mindeye.retrieval.gallery.pictures.decoding import DecodedPicture
from mindeye.retrieval.gallery.sources.encoded_pictures import EncodedPicture
from mindeye.retrieval.gallery.sources.picture_table import row_of, told_by_key, write_table


def picture(**told) -> DecodedPicture:
    encoded = EncodedPicture(key="k", path="p", offset=None, size=1, content=None, told=told)
    return DecodedPicture(encoded=encoded, sha256="0", width=4, height=3)


def test_what_stands_beside_a_picture_goes_before_the_table_and_we_before_both():
    row = row_of(picture(caption="beside", width=99), {"caption": "of table", "n": 1, "key": "x"})
    assert (row["caption"], row["n"], row["width"], row["key"]) == ("beside", 1, 4, "k")


def test_addresses_in_capitals_are_addresses():
    assert row_of(picture(URL="http://a"), {})["url"] == "http://a"
    assert row_of(picture(), {"URL": "http://a", "url": "http://b"})["url"] == "http://b"


def test_only_plain_values_are_kept():
    row = row_of(picture(exif={"a": 1}, tags=["b"], nothing=None, score=0.5), {})
    assert row["score"] == 0.5
    assert not {"exif", "tags", "nothing"} & row.keys()


def test_columns_of_several_kinds_are_numbers_where_they_can_be_and_else_text(tmp_path):
    rows = [
        {"number": 1, "mixed": 1, "large": 1, "some": "a"},
        {"number": 0.5, "mixed": "a", "large": 2**70},
        {"mixed": True},
    ]
    write_table(tmp_path / "t.parquet", rows)
    table = parquet.read_table(tmp_path / "t.parquet")
    assert table.column("number").to_pylist() == [1.0, 0.5, None]
    assert table.schema.field("number").type == pa.float64()
    assert table.column("mixed").to_pylist() == ["1", "a", "true"]
    assert table.column("large").to_pylist() == ["1", str(2**70), None]
    assert table.column("some").to_pylist() == ["a", None, None]
    assert table.column_names[-4:] == ["large", "mixed", "number", "some"]


def test_a_table_whose_rows_belong_to_no_picture_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    parquet.write_table(pa.table({"url": ["http://a"]}), path)
    with pytest.raises(ValueError, match="has no column `key`, so its rows belong to no picture"):
        told_by_key(path)
    parquet.write_table(pa.table({"key": [7], "url": ["http://a"]}), path)
    assert told_by_key(path) == {"7": {"key": 7, "url": "http://a"}}
