import dataclasses

import numpy as np
import pytest

from mindeye.data.bundle import VoxelBundle, voxel_hash


@pytest.fixture
def bundle(prepared_path):
    return VoxelBundle.load(prepared_path / "bundle")


def test_what_is_saved_is_what_is_loaded(bundle, tmp_path):
    bundle.save(tmp_path / "bundle")
    again = VoxelBundle.load(tmp_path / "bundle")
    for field in dataclasses.fields(bundle):
        first, second = getattr(bundle, field.name), getattr(again, field.name)
        if isinstance(first, dict) and field.name == "label_of_voxel":
            assert first.keys() == second.keys()
            assert all(np.array_equal(first[atlas], second[atlas]) for atlas in first)
        else:
            np.testing.assert_equal(first, second)
    assert again.voxel_hash == bundle.voxel_hash
    assert again.voxel_hash in (tmp_path / "bundle" / "meta.json").read_text()


def test_the_hash_tells_space_grid_affine_and_order():
    coordinates = np.array([[0, 0, 1], [0, 1, 0]])
    affine = np.eye(4)
    first = voxel_hash("func1pt8mm", (2, 2, 2), affine, coordinates)
    assert first == voxel_hash("func1pt8mm", (2, 2, 2), affine + 1e-5, coordinates.astype(np.int16))
    assert first == voxel_hash(
        "func1pt8mm", (2, 2, 2), affine * [1, 1, -1, 1] * [1, 1, -1, 1], coordinates
    )
    others = [
        voxel_hash("func1mm", (2, 2, 2), affine, coordinates),
        voxel_hash("func1pt8mm", (2, 2, 3), affine, coordinates),
        voxel_hash("func1pt8mm", (2, 2, 2), affine * 2, coordinates),
        voxel_hash("func1pt8mm", (2, 2, 2), affine, coordinates[::-1]),
    ]
    assert len({first, *others}) == 5


def test_a_bundle_is_the_same_as_itself(bundle):
    bundle.check_same(bundle)


def without_first(bundle):
    arrays = {name: getattr(bundle, name)[1:] for name in ("coordinates", "mean_map", "ncsnr")}
    arrays |= {name: getattr(bundle, name)[:, 1:] for name in ("mean", "std")}
    labels = {atlas: values[1:] for atlas, values in bundle.label_of_voxel.items()}
    return dataclasses.replace(bundle, **arrays, label_of_voxel=labels)


def flipped(bundle):
    coordinates = np.argwhere(np.flip(bundle.mask(), 0)).astype(np.int16)
    return dataclasses.replace(bundle, coordinates=coordinates)


def moved(bundle):
    coordinates = bundle.coordinates.copy()
    coordinates[0] = 0
    return dataclasses.replace(bundle, coordinates=coordinates)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda one: dataclasses.replace(one, subject=2), "of subject 1, those of subject 2"),
        (lambda one: dataclasses.replace(one, space="MNI"), "space func1pt8mm, those of space MNI"),
        (lambda one: dataclasses.replace(one, shape=(9, 8, 8)), r"shape \(9, 8, 7\)"),
        (lambda one: dataclasses.replace(one, affine=one.affine * 2), "affines differ by up to"),
        (without_first, "Subject 1 has 123 voxels here but 122 there"),
        (
            lambda one: dataclasses.replace(one, coordinates=one.coordinates[::-1]),
            "123 voxels are the same but stand in another order",
        ),
        (flipped, "The x axis is flipped"),
        (moved, "1 of 123 voxels lie elsewhere"),
    ],
)
def test_other_voxels_are_refused_by_name(bundle, change, message):
    with pytest.raises(ValueError, match=message):
        bundle.check_same(change(bundle))


def test_a_replaced_mask_is_noticed(bundle, tmp_path, rewrite_volume):
    bundle.save(tmp_path / "bundle")
    rewrite_volume(tmp_path / "bundle" / "mask.nii.gz", (~bundle.mask()).astype(np.int16))
    with pytest.raises(ValueError, match="mask, coordinates and voxel hash do not belong together"):
        VoxelBundle.load(tmp_path / "bundle")


def test_a_missing_bundle_and_a_truncated_array_are_named(bundle, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"meta.json is missing"):
        VoxelBundle.load(tmp_path / "absent")
    bundle.save(tmp_path / "bundle")
    path = tmp_path / "bundle" / "mean.npy"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(ValueError, match=r"mean.npy cannot be read"):
        VoxelBundle.load(tmp_path / "bundle")


def test_a_grid_that_moved_is_noticed(bundle, tmp_path):
    dataclasses.replace(bundle, affine=bundle.affine * 2).save(tmp_path / "moved")
    bundle.save(tmp_path / "bundle")
    (tmp_path / "moved" / "mask.nii.gz").replace(tmp_path / "bundle" / "mask.nii.gz")
    with pytest.raises(ValueError, match="do not belong together"):
        VoxelBundle.load(tmp_path / "bundle")
