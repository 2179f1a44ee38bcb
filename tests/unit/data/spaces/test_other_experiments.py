import h5py
import numpy as np
import pytest
import scipy.io

from mindeye.data.nsd import NSDTree
from mindeye.data.nsd_spaces import synthetic_design_path
from mindeye.data.other_experiments import imagery_runs, read_synthetic_design
from mindeye.data.stimuli import synthetic_pictures


@pytest.fixture
def design_path(tmp_path):
    """1-based, as NSD writes it: 93 trials in each of eight runs of 107 slots."""
    generator = np.random.default_rng(3)
    pattern = np.zeros((1, 8, 107), np.uint8)
    pattern[..., 5:98] = 1
    order = np.r_[np.arange(1, 285), generator.integers(1, 285, 744 - 284)]
    path = tmp_path / "nsd" / synthetic_design_path()
    path.parent.mkdir(parents=True)
    scipy.io.savemat(
        path, {"masterordering": order[None].astype(np.uint16), "stimpattern": pattern}
    )
    return path


def change(path, **arrays):
    content = {name: value for name, value in scipy.io.loadmat(path).items() if name[0] != "_"}
    scipy.io.savemat(path, {**content, **arrays})


def test_synthetic_images_count_from_zero_in_eight_runs(design_path):
    design = NSDTree(design_path.parents[3]).synthetic_design()
    assert design.image_numbers.dtype == np.int64
    assert design.image_numbers[:3].tolist() == [0, 1, 2]
    assert np.unique(design.image_numbers).tolist() == list(range(284))
    assert np.bincount(design.runs).tolist() == [0] + [93] * 8


def test_a_synthetic_design_of_other_length_or_range_is_refused(design_path):
    change(design_path, masterordering=np.ones((1, 30000), np.uint16))
    with pytest.raises(ValueError, match=r"has 30000 trials.*744 trials in 8 runs"):
        read_synthetic_design(design_path)
    change(design_path, masterordering=np.arange(744)[None].astype(np.uint16))
    with pytest.raises(ValueError, match="runs from 0 to 743, but there are images 1 to 284"):
        read_synthetic_design(design_path)
    design_path.write_bytes(design_path.read_bytes()[:150])
    with pytest.raises(ValueError, match="cannot be read as the design of nsdsynthetic"):
        read_synthetic_design(design_path)
    design_path.unlink()
    with pytest.raises(FileNotFoundError, match=r"nsdsynthetic_expdesign.mat is missing"):
        read_synthetic_design(design_path)


def test_imagery_has_720_betas_and_attention_counts_twice():
    runs = imagery_runs()
    assert len(runs) == 720
    assert {runs.count(name) for name in runs if name.startswith("att")} == {96}
    assert {runs.count(name) for name in runs if not name.startswith("att")} == {48}
    # The blocks that a public reader of the file lists.
    assert [runs.index(name) for name in ("imgA_1", "visB", "imgC_1", "imgA_2")] == [
        *(144, 192, 528, 576)
    ]


@pytest.fixture
def synthetic_stimuli(tmp_path):
    """Two files of toy pictures whose pixels are their numbers."""
    paths = (tmp_path / "shared.hdf5", tmp_path / "colour.hdf5")
    for path, numbers in zip(paths, (range(5), range(5, 8)), strict=True):
        with h5py.File(path, "w") as file:
            file["whatever"] = np.stack([np.full((3, 4, 3), one, np.uint8) for one in numbers])
    return paths


def test_synthetic_pictures_are_the_shared_ones_then_the_subject_s_own(synthetic_stimuli):
    pictures = synthetic_pictures(synthetic_stimuli, np.array([6, 0, 4, 5, 6]))
    assert pictures.shape == (5, 3, 4, 3)
    assert pictures[:, 0, 0, 0].tolist() == [6, 0, 4, 5, 6]


@pytest.mark.parametrize("number", [-1, 8])
def test_a_synthetic_picture_that_is_not_there_is_refused(synthetic_stimuli, number):
    with pytest.raises(ValueError, match="hold pictures 0 to 7"):
        synthetic_pictures(synthetic_stimuli, np.array([0, number]))
