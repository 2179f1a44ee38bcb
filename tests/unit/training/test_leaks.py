"""Folders of the tests, with splits changed in their manifests: train and test exchanged."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from mindeye.files import read_json, write_json
from mindeye.training.loop import train
from mindeye.training.plan import plan_of, prepared_subjects

# What stands in the place of train, validation and test.
EXCHANGED = ("test", "validation", "train")
TURNED = ("validation", "test", "train")


@pytest.fixture
def as_subject(tiny_prepared, tmp_path, belonging_to):
    """(name, subject, changes of the manifest) -> a copy of the tiny folder."""

    def copy(name: str, subject: int, **changes) -> Path:
        folder = Path(shutil.copytree(tiny_prepared, tmp_path / name))
        belonging_to(folder, subject)
        manifest = read_json(folder / "manifest.json")
        splits = manifest["splits"]
        if "order" in changes:
            order = changes.pop("order")
            changes["splits"] = dict(zip(splits, (splits[split] for split in order)))
        write_json(folder / "manifest.json", {**manifest, **changes})
        return folder

    return copy


def test_a_test_image_that_another_subject_trains_on_is_refused(
    tiny_experiment, tiny_prepared, as_subject
):
    other = as_subject("other", 2, order=EXCHANGED, protocol="nsd-special515")
    message = (
        r"24 test images of .*other \(nsd-special515\) are training images of .* \(made up\), "
        r"first \[100, 101, 102, 103, 104\]"
    )
    with pytest.raises(ValueError, match=message):
        prepared_subjects(replace(tiny_experiment, data=(other, tiny_prepared)))
    with pytest.raises(ValueError, match=r"8 test images of .*prepared \(made up\) are training"):
        prepared_subjects(replace(tiny_experiment, data=(tiny_prepared, other)))


def test_subjects_with_one_test_train_together(tiny_experiment, tiny_prepared, as_subject):
    data = (tiny_prepared, as_subject("other", 2))
    assert len(prepared_subjects(replace(tiny_experiment, data=data))) == 2


def test_figures_of_another_data_set_are_other_pictures(tiny_experiment, tiny_prepared, as_subject):
    other = as_subject("other", 2, order=EXCHANGED, dataset="miyawaki2008-figures")
    data = (tiny_prepared, other)
    assert len(prepared_subjects(replace(tiny_experiment, data=data))) == 2


@pytest.fixture
def start(tiny_experiment, as_subject, tmp_path):
    """A run whose training images are the tiny folder's test images, and its folder."""
    folder = as_subject("before", 2, order=EXCHANGED, protocol="nsd-special515")
    return train(replace(tiny_experiment, data=(folder,)), tmp_path / "start").path, folder


def test_fine_tuning_refuses_test_images_that_the_start_was_trained_on(
    tiny_experiment, start, as_subject, tmp_path
):
    run, folder = start
    message = r"8 test images of .*prepared \(made up\) are training images of .*before .*\[300, "
    with pytest.raises(ValueError, match=message):
        plan_of(replace(tiny_experiment, start_from=run))
    with pytest.raises(ValueError, match=message):
        train(replace(tiny_experiment, start_from=run), tmp_path / "tuned")
    assert not (tmp_path / "tuned").exists()
    shutil.rmtree(folder)
    with pytest.raises(ValueError, match=r"before by nsd-special515, which is gone, and .*made up"):
        plan_of(replace(tiny_experiment, start_from=run))
    same = as_subject("same", 1, protocol="nsd-special515")
    plan_of(replace(tiny_experiment, data=(same,), start_from=run))


def test_what_the_start_started_from_counts_too(tiny_experiment, start, as_subject, tmp_path):
    run, _ = start
    between = as_subject("between", 3, order=TURNED)
    small = replace(tiny_experiment, schedule=replace(tiny_experiment.schedule, batch=4))
    tuned = train(replace(small, data=(between,), start_from=run), tmp_path / "tuned").path
    with pytest.raises(ValueError, match=r"are training images of .*before .* first \[300, "):
        plan_of(replace(small, start_from=tuned))
