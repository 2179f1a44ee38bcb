"""The benchmark of killed builds: its sources, and what it compares."""

import pytest

from mindeye.retrieval.gallery.sources.sources import open_source
from mindeye.verbs.benchmarks import gallery_build_kills as kills


@pytest.mark.parametrize(
    ("layout", "form"), [(kills.PICTURES, "webdataset"), ("embeddings", "laion")]
)
def test_sources_have_many_shards_of_their_layout(layout, form, tmp_path, monkeypatch):
    monkeypatch.setattr(kills, "VECTORS_PER_FILE", 5)
    source = open_source(kills.write_source(tmp_path, layout, 0, pictures=1))
    assert (source.form, len(source.shards)) == (form, kills.NUM_SHARDS)


def test_what_a_kill_leaves_behind_counts(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b").write_text("same")
    before = kills.checksums_of(tmp_path)
    assert list(before) == ["a/b"]
    (tmp_path / ".x.part").write_text("")
    assert kills.checksums_of(tmp_path) != before
    (tmp_path / ".x.part").unlink()
    (tmp_path / "a" / "b").write_text("else")
    assert kills.checksums_of(tmp_path) != before


def test_a_moment_is_killed_and_the_resumed_build_is_compared(tmp_path, monkeypatch):
    """With a stand-in for the verb, whose second call ends otherwise than its first."""
    script = tmp_path / "verb.py"
    script.write_text(
        "import pathlib, sys\n"
        "out = pathlib.Path(sys.argv[1])\n"
        "if out.name.endswith('-whole') and out.exists(): sys.exit('it stands already')\n"
        "(out / 'building').mkdir(parents=True, exist_ok=True)\n"
        "(out / 'gallery.json').write_text('other' if 'embeddings-1' in str(out) else 'same')\n"
    )
    monkeypatch.setattr(kills, "write_source", lambda folder, layout, seed: folder)
    monkeypatch.setattr(
        kills, "command_of", lambda source, out: [kills.sys.executable, str(script), str(out)]
    )
    # Again in a folder that was kept: what stands there is made anew.
    for _ in range(2):
        lines = list(kills.build_kills(tmp_path / "work", number=2, seed=0))
    assert "pictures: 2 of 2 killed" in lines[3]
    assert "embeddings: 1 of 2 killed" in lines[-1]
    assert "OTHER BYTES" in lines[-2]
