import time
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from mindeye.analysis.maps import map_volume, save_map
from mindeye.data.bundle import VoxelBundle
from mindeye.data.roi import coordinates_of


@pytest.fixture
def bundle():
    mask = np.zeros((4, 5, 3), dtype=bool)
    mask[1, 2, 0] = mask[1, 2, 2] = mask[3, 0, 1] = True
    zeros = np.zeros(3, dtype=np.float32)
    return VoxelBundle(
        subject=1,
        space="func1pt8mm",
        roi="toy",
        beta_version="b3",
        zscore="none",
        sessions=(1,),
        shape=mask.shape,
        affine=np.diag([1.8, 1.8, 1.8, 1.0]),
        coordinates=coordinates_of(mask),
        mean=zeros[None],
        std=zeros[None],
        mean_map=zeros,
        ncsnr=zeros,
        label_of_voxel={},
        label_names={},
    )


def test_a_saved_map_has_each_value_at_its_voxel_and_nan_outside(bundle, tmp_path):
    save_map(tmp_path / "map.nii.gz", bundle, np.array([1.0, 2.0, 3.0]))
    image = nibabel.load(tmp_path / "map.nii.gz")
    volume = np.asanyarray(image.dataobj)
    assert (volume[1, 2, 0], volume[1, 2, 2], volume[3, 0, 1]) == (1, 2, 3)
    assert np.isnan(volume).sum() == volume.size - 3
    np.testing.assert_allclose(image.affine, bundle.affine, atol=1e-6)
    assert volume.dtype == np.float32


def test_the_same_map_gives_the_same_bytes_at_another_time(bundle, tmp_path, monkeypatch):
    for name, now in (("one", 1e9), ("two", 1.1e9)):
        monkeypatch.setattr(time, "time", lambda now=now: now)
        save_map(tmp_path / f"{name}.nii.gz", bundle, np.arange(3.0))
    first, second = ((tmp_path / f"{name}.nii.gz").read_bytes() for name in ("one", "two"))
    assert first == second


def test_voxels_without_coordinates_have_no_map(bundle):
    blind = replace(bundle, coordinates=None, shape=None, affine=None)
    with pytest.raises(ValueError, match="have no coordinates"):
        map_volume(blind, np.arange(3.0))
