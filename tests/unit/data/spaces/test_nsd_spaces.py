import numpy as np
import pytest

from mindeye.data.nsd import NSDTree
from mindeye.data.nsd_spaces import FUNC1MM_SHAPES, NATIVE_VERTICES, Session

VERSION = "betas_fithrf_GLMdenoise_RR"


def test_paths_are_those_of_the_data_manual():
    def path(session, space, form):
        return [one.as_posix() for one in session.paths(space, form)]

    folder = "nsddata_betas/ppdata/subj06"
    assert path(Session(6, number=7), "fsaverage", "mgh") == [
        f"{folder}/fsaverage/{VERSION}/lh.betas_session07.mgh",
        f"{folder}/fsaverage/{VERSION}/rh.betas_session07.mgh",
    ]
    assert path(Session(6, number=7, beta_version="b2"), "nativesurface", "hdf5")[1] == (
        f"{folder}/nativesurface/betas_fithrf/rh.betas_session07.hdf5"
    )
    assert path(Session(6, number=30), "func1mm", "nii.gz") == [
        f"{folder}/func1mm/{VERSION}/betas_session30.nii.gz"
    ]
    assert path(Session(6, "nsdimagery"), "func1pt8mm", "hdf5") == [
        f"{folder}/func1pt8mm/nsdimagery{VERSION}/betas_nsdimagery.hdf5"
    ]
    assert path(Session(6, "nsdsynthetic", beta_version="b2"), "fsaverage", "mgh")[0] == (
        f"{folder}/fsaverage/nsdsyntheticbetas_fithrf/lh.betas_nsdsynthetic.mgh"
    )


def test_every_subject_has_a_grid_of_1_mm_and_two_native_surfaces():
    assert FUNC1MM_SHAPES.keys() == NATIVE_VERTICES.keys() == set(range(1, 9))
    assert FUNC1MM_SHAPES[1] == (145, 186, 148)
    assert NATIVE_VERTICES[6] == (253634, 259406)


@pytest.mark.parametrize("source", ["auto", "hdf5", "nii.gz"])
def test_func1mm_has_its_own_mask(every_space, source):
    betas = NSDTree(every_space.root).betas(1, 1, source=source, space="func1mm")
    raw = every_space.millimetre[every_space.millimetre_mask].T
    np.testing.assert_array_equal(betas, raw.astype(np.float32) / np.float32(300))


@pytest.mark.parametrize("experiment", ["nsdsynthetic", "nsdimagery"])
@pytest.mark.parametrize("source", ["hdf5", "nii.gz"])
def test_other_experiments_are_read_with_the_same_mask(every_space, written, experiment, source):
    betas = NSDTree(every_space.root).other_betas(experiment, 1, source=source)
    raw = every_space.others[experiment][written.mask()].T
    assert len(raw) == {"nsdsynthetic": 744, "nsdimagery": 720}[experiment]
    np.testing.assert_array_equal(betas, raw.astype(np.float32) / np.float32(300))


def test_an_experiment_of_other_length_is_refused(own_every_space):
    folder = own_every_space.root / "nsddata_betas/ppdata/subj01/func1pt8mm"
    source = folder / f"nsdimagery{VERSION}/betas_nsdimagery.hdf5"
    source.replace(folder / f"nsdsynthetic{VERSION}/betas_nsdsynthetic.hdf5")
    tree = NSDTree(own_every_space.root)
    with pytest.raises(ValueError, match="holds 720 trials, but the design has 744"):
        tree.other_betas("nsdsynthetic", 1, source="hdf5")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"space": "T1"}, "Unknown space `T1`. NSD's betas come in func1pt8mm, func1mm, MNI"),
        ({"space": "MNI", "source": "hdf5"}, "in MNI come as nii.gz, not `hdf5`"),
        ({"space": "fsaverage", "source": "hdf5"}, "in fsaverage come as mgh, not `hdf5`"),
        ({"space": "nativesurface", "source": "nii.gz"}, "come as hdf5, not `nii.gz`"),
        ({"source": "mgh"}, "Unknown source `mgh`. Pick one of auto, hdf5, nii.gz"),
        ({"space": "func1mm", "beta_version": "b1"}, r"no betas b1 \(assumehrf\) in func1mm"),
        ({"space": "func1mm", "beta_version": "b9"}, "Unknown beta version `b9`"),
    ],
)
def test_what_nsd_does_not_have_is_refused(every_space, wrong, message):
    with pytest.raises(LookupError, match=message):
        NSDTree(every_space.root).betas(subject=1, session=1, **wrong)


def test_other_experiments_are_refused_by_name(every_space):
    tree = NSDTree(every_space.root)
    for name in ("nsdimagined", "nsd"):
        with pytest.raises(LookupError, match=f"`{name}`. Pick one of nsdsynthetic, nsdimagery"):
            tree.other_betas(name, 1)
    with pytest.raises(LookupError, match=r"no betas b1 of nsdimagery\. Take b2 or b3"):
        tree.other_betas("nsdimagery", 1, beta_version="b1")
    with pytest.raises(FileNotFoundError, match=r"betas_fithrf/betas_nsdimagery.hdf5 is missing"):
        tree.other_betas("nsdimagery", 1, beta_version="b2")


def test_volumes_and_surfaces_are_not_mixed_up(every_space):
    tree = NSDTree(every_space.root)
    with pytest.raises(LookupError, match="fsaverage has no volumes"):
        tree.mask(1, "nsdgeneral", "fsaverage")
    with pytest.raises(LookupError, match="func1mm has no surfaces"):
        tree.surface_masks(1, "nsdgeneral", "func1mm")


def test_sessions_are_counted_in_each_space(every_space):
    tree = NSDTree(every_space.root)
    assert tree.present_sessions(1) == (1, 2)
    assert tree.present_sessions(1, space="fsaverage") == (1,)
    assert tree.present_sessions(1, beta_version="b2") == ()
