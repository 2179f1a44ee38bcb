import numpy as np
import pytest
import scipy.io

from mindeye.data.nsd import NSDTree
from mindeye.data.synthetic_design import read_synthetic_design
from mindeye.nsd_experiments import synthetic_design_path


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
