import numpy as np
import pytest

from mindeye.data.nsd import NSDTree

CTAB = "nsddata/freesurfer/subj01/label/prf-visualrois.mgz.ctab"


def test_both_forms_of_a_session_are_one_array(written):
    tree = NSDTree(written.root)
    first = tree.betas(subject=1, session=1, roi="nsdgeneral", source="hdf5")
    second = tree.betas(subject=1, session=1, roi="nsdgeneral", source="nii.gz")
    np.testing.assert_array_equal(first, second)
    assert first.dtype == np.float32
    expected = written.raw[0][written.mask()].T.astype(np.float32) / np.float32(300)
    np.testing.assert_array_equal(first, expected)


def test_a_region_is_a_part_of_an_atlas(written):
    tree = NSDTree(written.root)
    areas = written.atlases["prf-visualrois"]
    np.testing.assert_array_equal(
        tree.mask(1, "prf-visualrois:V1v+V1d"), (areas == 1) | (areas == 2)
    )
    betas = tree.betas(subject=1, session=2, roi="prf-visualrois:hV4")
    assert betas.shape == (750, (areas == 7).sum())


def test_the_tree_s_own_colour_table_names_the_labels(own_tree):
    table = own_tree.root / CTAB
    table.parent.mkdir(parents=True)
    table.write_text("0 Unknown\n1 first\n2 second\n")
    tree, areas = NSDTree(own_tree.root), own_tree.atlases["prf-visualrois"]
    np.testing.assert_array_equal(tree.mask(1, "prf-visualrois:second"), areas == 2)


def test_image_ids_count_from_zero(written):
    tree = NSDTree(written.root)
    for session in (1, 2):
        image_ids = tree.image_ids(subject=1, session=session)
        assert image_ids.dtype == np.int64
        start = (session - 1) * 750
        np.testing.assert_array_equal(image_ids, written.image_ids[start : start + 750])


def test_image_ids_are_compared_with_the_behavioural_table(own_tree):
    path = own_tree.root / "nsddata/ppdata/subj01/behav/responses.tsv"
    lines = path.read_text().splitlines()
    lines[3], lines[4] = lines[4], lines[3]
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(ValueError, match="trial 2 shows image"):
        NSDTree(own_tree.root).image_ids(subject=1, session=1)


def test_a_wrong_root_says_what_was_looked_for(written, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"holds no NSD tree: looked for .*nsddata"):
        NSDTree(tmp_path)
    with pytest.raises(FileNotFoundError, match="is no folder"):
        NSDTree(tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match=f"Did you mean {written.root}"):
        NSDTree(written.root / "nsddata")


def test_a_hole_in_the_sessions_is_named(own_tree):
    for extension in ("hdf5", "nii.gz"):
        path = own_tree.betas / f"betas_session02.{extension}"
        path.rename(path.with_name(f"betas_session03.{extension}"))
    tree = NSDTree(own_tree.root)
    with pytest.raises(FileNotFoundError, match=r"betas_session02.hdf5 is missing \(nor"):
        tree.sessions(1)
    with pytest.raises(FileNotFoundError, match=r"betas_session02.nii.gz is missing\. Fetch"):
        tree.betas(subject=1, session=2, source="nii.gz")


def test_sessions_stop_at_the_last_one_that_is_there(written):
    assert NSDTree(written.root).sessions(1) == (1, 2)


def test_a_version_without_any_session_is_named(written):
    with pytest.raises(FileNotFoundError, match=r"betas_fithrf/betas_session01.hdf5 is missing"):
        NSDTree(written.root).sessions(1, beta_version="b2")


def test_auto_takes_the_form_that_is_there(own_tree):
    path = own_tree.betas / "betas_session01.hdf5"
    tree = NSDTree(own_tree.root)
    assert tree.session_path(1, 1) == path
    path.unlink()
    assert tree.session_path(1, 1).name == "betas_session01.nii.gz"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"subject": 9}, "subjects 1 to 8, not 9"),
        ({"session": 41}, "subj01 has sessions 1 to 40, not 41"),
        ({"session": 0}, "sessions 1 to 40, not 0"),
        ({"source": "mat"}, "Unknown source `mat`"),
        ({"beta_version": "b4"}, "Unknown beta version `b4`"),
        ({"roi": "prf-visualrois:V5"}, "no label `V5`"),
    ],
)
def test_unknown_names_are_refused(written, wrong, message):
    with pytest.raises(LookupError, match=message):
        NSDTree(written.root).betas(**{"subject": 1, "session": 1, **wrong})


def test_an_unknown_atlas_gets_the_likely_one(written):
    with pytest.raises(FileNotFoundError, match=r"tree has nsdgeneral, .*mean `nsdgeneral`"):
        NSDTree(written.root).mask(1, "nsdgenera")


def test_an_empty_region_is_refused(own_tree, rewrite_volume):
    path = own_tree.functional / "roi" / "nsdgeneral.nii.gz"
    rewrite_volume(path, np.where(own_tree.mask(), 0.0, -1.0))
    with pytest.raises(ValueError, match="`nsdgeneral` has no voxel in subj01"):
        NSDTree(own_tree.root).mask(1)


def test_a_truncated_region_is_named(own_tree):
    path = own_tree.functional / "roi" / "nsdgeneral.nii.gz"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"nsdgeneral.nii.gz cannot be read"):
        NSDTree(own_tree.root).mask(1)
