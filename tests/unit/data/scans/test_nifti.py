import tracemalloc

import nibabel
import numpy as np
import pytest

from mindeye.data.bundle import VoxelBundle
from mindeye.data.nsd import NSDTree
from mindeye.data.scans.nifti import read_volumes
from mindeye.data.scans.scan import read_scan


def test_a_gzip_stream_without_its_end_or_with_a_wrong_checksum_is_cut_off(
    brain, tmp_path, write_nifti
):
    path = write_nifti(tmp_path / "betas.nii.gz", brain.volumes)
    content = path.read_bytes()
    for broken in (content[:-8], content[:-8] + b"\0\0\0\0" + content[-4:]):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match=r"betas\.nii\.gz cannot be read"):
            read_scan([path], brain.bundle)


def test_stored_integers_with_a_scale_and_big_endian_volumes_are_read_as_they_mean(brain, tmp_path):
    image = nibabel.Nifti1Image(brain.volumes, brain.bundle.affine, dtype=np.int16)
    nibabel.save(image, tmp_path / "scaled.nii.gz")
    expected = np.asarray(nibabel.load(tmp_path / "scaled.nii.gz").dataobj)
    scan = read_scan([tmp_path / "scaled.nii.gz"], brain.bundle)
    np.testing.assert_allclose(scan.betas, expected[brain.mask].T, atol=1e-5)
    header = nibabel.Nifti1Header(endianness=">")
    big = nibabel.Nifti1Image(brain.volumes, brain.bundle.affine, header)
    nibabel.save(big, tmp_path / "big.nii")
    assert nibabel.load(tmp_path / "big.nii").dataobj.dtype.byteorder == ">"
    np.testing.assert_array_equal(
        read_scan([tmp_path / "big.nii"], brain.bundle).betas, brain.betas
    )


@pytest.fixture
def volumes_of_trials(brain, tmp_path, write_nifti):
    """Files whose names sort in another order than the trials, and the table that knows it."""
    count = len(brain.betas)
    names = [f"beta_{(7 * trial) % count:04d}.nii" for trial in range(count)]
    for trial, name in enumerate(names):
        write_nifti(tmp_path / name, brain.volumes[..., trial])
    table = tmp_path / "trials.tsv"
    rows = [f"{name}\t{trial // 2}" for trial, name in enumerate(names)]
    table.write_text("\n".join(["file\timage_id", *rows]) + "\n")
    return sorted(tmp_path.glob("*.nii")), table


def test_volumes_of_single_trials_stand_in_the_order_of_the_table(brain, volumes_of_trials):
    paths, table = volumes_of_trials
    scan = read_scan(paths, brain.bundle, trials=table)
    np.testing.assert_array_equal(scan.betas, brain.betas)
    assert [path.name for path in scan.files] == [row.file for row in scan.trials.rows]
    assert scan.trials.image_ids[:4] == (0, 0, 1, 1)


def test_volumes_of_single_trials_without_a_table_or_with_another_one_are_refused(
    brain, volumes_of_trials, tmp_path, write_nifti
):
    paths, table = volumes_of_trials
    with pytest.raises(ValueError, match="names do not tell the order of trials"):
        read_scan(paths, brain.bundle)
    with pytest.raises(ValueError, match=r"'beta_0000\.nii' is only in the table"):
        read_scan(paths[1:], brain.bundle, trials=table)
    lines = table.read_text().splitlines()
    table.write_text("\n".join([*lines, lines[1]]))
    with pytest.raises(ValueError, match="names 1 files more than once"):
        read_scan(paths, brain.bundle, trials=table)
    table.write_text("image_id\n1\n")
    with pytest.raises(ValueError, match="has no column `file`"):
        read_scan(paths, brain.bundle, trials=table)
    write_nifti(paths[3], brain.volumes)
    table.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=rf"{paths[3].name} has shape .* must be a 3-D volume"):
        read_scan(paths, brain.bundle, trials=table)


def test_a_volume_is_streamed_and_never_held_whole(brain, tmp_path, write_nifti):
    many = np.zeros((*brain.mask.shape, 4000), dtype=np.int16)
    many[brain.mask] = 300
    path = write_nifti(tmp_path / "betas.nii.gz", many)
    del many
    needed = 4000 * brain.bundle.num_voxels * 4
    tracemalloc.start()
    read_volumes(path, brain.bundle, None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    # As stored it takes 4 MB more, as float64 16 MB.
    assert peak < needed + 2_000_000


def test_a_session_of_an_nsd_tree_is_what_its_own_reader_reads(written, prepared_path):
    bundle = VoxelBundle.load(prepared_path / "bundle")
    expected = NSDTree(written.root).betas(subject=1, session=2)
    for form in ("nii.gz", "hdf5"):
        path = written.betas / f"betas_session02.{form}"
        np.testing.assert_array_equal(read_scan([path], bundle, units="nsd-int16").betas, expected)
