"""Any data set's subject becomes a prepared folder by one writer."""

from functools import partial

import numpy as np
import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.data.subject_record import SubjectRecord, TrialRecord, write_record
from mindeye.data.unknown_voxels import bundle_of_unknown_voxels

SPLITS = {"train": [0, 3], "validation": [4], "test": [1]}
NAMES = {0: "ant", 1: "bee", 3: "cow", 4: "dog"}


def trials_of(betas):
    """Training images once, the test image five times."""
    shown = [0, 1, 3, 1, 4, 1, 1, 1]
    split_of = {image_id: split for split, ids in SPLITS.items() for image_id in ids}
    for trial, image_id in enumerate(shown):
        repeat = shown[:trial].count(image_id)
        yield TrialRecord(split_of[image_id], betas[trial], image_id, 1, 0, trial, repeat)


def pictures_of(image_ids):
    for row, image_id in enumerate(image_ids.tolist()):
        yield row, np.full((4, 4, 3), 10 * image_id, np.uint8)


@pytest.fixture
def betas():
    return np.random.default_rng(3).normal(size=(8, 6)).astype(np.float32)


@pytest.fixture
def record(betas, tmp_path):
    source = tmp_path / "source.bin"
    source.write_bytes(b"betas")
    voxels = {"subject": 3, "space": "toys", "roi": "all", "beta_version": "one", "zscore": "none"}
    about = {"dataset": "toys", "protocol": "toys-test", "sessions": [1], "seed": 0}
    return SubjectRecord(
        folder=tmp_path,
        settings={**about, **voxels, "picture_set": "toys", "units": "z", "simulated": None},
        transductive=[],
        splits={split: np.array(ids) for split, ids in SPLITS.items()},
        num_trials=8,
        num_voxels=6,
        side=4,
        trials=partial(trials_of, betas),
        pictures=pictures_of,
        bundle=partial(bundle_of_unknown_voxels, 6, **voxels, provenance={}),
        files={"source.bin": source},
        image_names=NAMES,
    )


def test_what_was_recorded_is_what_is_read(record, betas, tmp_path):
    prepared = PreparedSubject(write_record(tmp_path / "out", record, None))
    prepared.verify()
    test = prepared.repeats("test")
    assert test.image_ids.tolist() == [1]
    assert np.array_equal(test.betas[0].numpy(), betas[[1, 3, 5, 6, 7]].astype(np.float16))
    assert prepared.repeats("train").betas.shape == (2, 1, 6)
    assert prepared.trials("train").image_ids.tolist() == [0, 3]
    assert prepared.image_names == NAMES
    assert prepared.images[:, 0, 0, 0].tolist() == [0, 10, 30, 40]
    assert prepared.manifest["units"] == "z"


def test_the_same_record_again_is_left_alone_and_another_is_refused(record, tmp_path):
    out = write_record(tmp_path / "out", record, None)
    before = (out / "manifest.json").stat().st_mtime_ns
    write_record(out, record, None)
    assert (out / "manifest.json").stat().st_mtime_ns == before
    other = record._replace(settings={**record.settings, "dataset": "games"})
    with pytest.raises(ValueError, match="prepared with dataset toys, not games"):
        write_record(out, other, None)
    record.files["source.bin"].write_bytes(b"other")
    with pytest.raises(ValueError, match=r"another download than .* \(source\.bin differ\)"):
        write_record(out, record, None)


def test_betas_beyond_half_precision_are_refused_and_nothing_stays(record, betas, tmp_path):
    betas[4, 2] = 70_000
    with pytest.raises(ValueError, match=r"Trial 4 of .* reaches 7e\+04, but half precision ends"):
        write_record(tmp_path / "out", record, None)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source.bin"]


def test_nsd_has_ids_and_three_repeats_and_needs_neither_names_nor_a_count(record, tmp_path):
    plain = record._replace(image_names=None)
    plain = plain._replace(trials=lambda: (one for one in record.trials() if one.repeat < 3))
    prepared = PreparedSubject(write_record(tmp_path / "out", plain, None))
    assert prepared.image_names == {}
    assert prepared.repeats("train").betas.shape == (2, 3, 6)
    assert not (prepared.path / "image_names.json").exists()
