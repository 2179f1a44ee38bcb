import json

import numpy as np
import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.data.prepare import prepare_nsd


def test_a_second_call_returns_at_once_and_other_settings_are_refused(
    written, own_prepared, contents
):
    before = contents(own_prepared)
    prepare_nsd(written.root, subject=1, out=own_prepared)
    assert contents(own_prepared) == before
    with pytest.raises(ValueError, match="prepared with seed 0, not 1"):
        prepare_nsd(written.root, subject=1, out=own_prepared, seed=1)
    with pytest.raises(ValueError, match=r"prepared with sessions \[1, 2\], not \[2\]"):
        prepare_nsd(written.root, subject=1, out=own_prepared, sessions=[2])
    assert contents(own_prepared) == before


def test_another_tree_is_refused_and_the_banner_travels(own_tree, own_prepared, tmp_path):
    (own_tree.root / "SIMULATED.json").write_text(json.dumps({"seed": 5}))
    with pytest.raises(ValueError, match=r"prepared with simulated None, not \{'seed': 5\}"):
        prepare_nsd(own_tree.root, subject=1, out=own_prepared)
    other = PreparedSubject(prepare_nsd(own_tree.root, subject=1, out=tmp_path / "a"))
    assert other.manifest["simulated"] == other.bundle.provenance["simulated"] == {"seed": 5}


def test_a_tree_with_other_betas_and_the_same_settings_is_refused(
    own_tree, own_prepared, rewrite_betas, contents
):
    before = contents(own_prepared)
    rewrite_betas(own_tree.betas, 2, own_tree.raw[1] + 1)
    with pytest.raises(
        ValueError, match=r"prepared from another tree than .*betas_session02\.hdf5"
    ):
        prepare_nsd(own_tree.root, subject=1, out=own_prepared)
    assert contents(own_prepared) == before


def test_a_tree_that_moved_or_lacks_a_form_is_the_same_tree(
    own_tree, own_prepared, tmp_path, contents
):
    before = contents(own_prepared)
    moved = own_tree.root.rename(tmp_path / "moved")
    prepare_nsd(moved, subject=1, out=own_prepared)
    for path in moved.rglob("betas_session*.hdf5"):
        path.unlink()
    prepare_nsd(moved, subject=1, out=own_prepared)
    assert contents(own_prepared) == before


def test_a_folder_that_knows_no_sources_is_kept(written, own_prepared):
    manifest = json.loads((own_prepared / "manifest.json").read_text())
    del manifest["sources"]
    (own_prepared / "manifest.json").write_text(json.dumps(manifest))
    assert prepare_nsd(written.root, subject=1, out=own_prepared) == own_prepared


def test_many_dead_voxels_are_refused_and_nothing_is_left(own_tree, tmp_path, rewrite_betas):
    raw = own_tree.raw[1].copy()
    raw[:, 3] = 0
    rewrite_betas(own_tree.betas, 2, raw)
    out = tmp_path / "there" / "a"
    with pytest.raises(ValueError, match=r"subj01 session 02 .*: \d+ of 123 voxels are constant"):
        prepare_nsd(own_tree.root, subject=1, out=out)
    assert list(out.parent.iterdir()) == []


def test_a_hole_in_the_sessions_and_a_truncated_one_leave_nothing(own_tree, tmp_path):
    out = tmp_path / "there" / "a"
    with pytest.raises(FileNotFoundError, match=r"betas_session03.hdf5 is missing"):
        prepare_nsd(own_tree.root, subject=1, out=out, sessions=[1, 3])
    path = own_tree.betas / "betas_session02.hdf5"
    path.write_bytes(path.read_bytes()[:-4000])
    with pytest.raises(ValueError, match=r"betas_session02.hdf5 cannot be read"):
        prepare_nsd(own_tree.root, subject=1, out=out)
    assert list(out.parent.iterdir()) == []


def test_a_folder_of_something_else_is_left_alone(written, tmp_path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(ValueError, match="exists and is no prepared folder"):
        prepare_nsd(written.root, subject=1, out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"zscore": "all"}, LookupError, "Unknown z-score scope `all`"),
        ({"source": "mat"}, LookupError, "Unknown source `mat`"),
        ({"sessions": [1, 1]}, ValueError, r"Sessions \[1, 1\]: name each one once"),
        ({"sessions": []}, ValueError, "at least one"),
        ({"sessions": [41]}, LookupError, "sessions 1 to 40, not 41"),
        ({"subject": 0}, LookupError, "not 0"),
    ],
)
def test_wrong_settings_are_refused(written, tmp_path, wrong, error, message):
    with pytest.raises(error, match=message):
        prepare_nsd(written.root, **{"subject": 1, "out": tmp_path / "a", **wrong})


def test_already_z_scored_files_are_refused(own_tree, tmp_path, rewrite_betas):
    raw = own_tree.raw[0].astype(np.float64)
    deviation = raw.std(-1, ddof=1, keepdims=True)
    z = (raw - raw.mean(-1, keepdims=True)) / np.where(deviation > 0, deviation, 1)
    rewrite_betas(own_tree.betas, 1, np.rint(300 * z).astype(np.int16))
    with pytest.raises(ValueError, match=r"subj01 session 01 .* look z-scored already"):
        prepare_nsd(own_tree.root, subject=1, out=tmp_path / "a")


def test_a_full_disk_is_refused_before_writing(written, tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(OSError, match=r"Preparing subject 1 needs about .* MB"):
        prepare_nsd(written.root, subject=1, out=tmp_path / "there" / "a")
    assert not (tmp_path / "there").exists()
