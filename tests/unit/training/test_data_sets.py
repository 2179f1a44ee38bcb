"""One number in two data sets means two people, and one name in one picture set one picture."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from mindeye.reconstruction.opening import open_run
from mindeye.training.loop import train
from mindeye.training.plan import plan_of, prepared_subjects


@pytest.fixture
def of_dataset(tiny_prepared, tmp_path):
    """(folder name, names of pictures, changes of the manifest) -> a copy of the tiny folder."""

    def copy(name: str, name_of: str, **changes) -> Path:
        folder = Path(shutil.copytree(tiny_prepared, tmp_path / name))
        manifest = json.loads((folder / "manifest.json").read_text())
        order = changes.pop("order", ("train", "validation", "test"))
        splits = manifest["splits"]
        manifest["splits"] = dict(zip(splits, (splits[split] for split in order)))
        (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))
        ids = [*range(100, 124), *range(200, 206), *range(300, 308)]
        names = {str(image_id): name_of.format(image_id) for image_id in ids}
        (folder / "image_names.json").write_text(json.dumps(names))
        return folder

    return copy


EXCHANGED = ("test", "validation", "train")


def test_two_people_with_one_number_cannot_train_together(
    tiny_experiment, tiny_prepared, of_dataset
):
    other = of_dataset("other", "{}", dataset="things-fmri", picture_set="things")
    message = r"prepared is of subject 1 of nsd, .*other of subject 1 of things-fmri: two people"
    with pytest.raises(ValueError, match=message):
        prepared_subjects(replace(tiny_experiment, data=(tiny_prepared, other)))


def test_peers_number_the_people_of_nsd(tiny_experiment, tiny_prepared, of_dataset):
    other = of_dataset("other", "{}", dataset="mindeye2")
    with pytest.raises(ValueError, match=r"are both of subject 1\. Name each subject once"):
        prepared_subjects(replace(tiny_experiment, data=(tiny_prepared, other)))


def test_somebody_elses_ridge_is_not_taken_over_for_having_the_same_number(
    tiny_experiment, uninterrupted, of_dataset, tmp_path
):
    start = uninterrupted(tiny_experiment)
    other = of_dataset("other", "{}", dataset="things-fmri", picture_set="things")
    schedule = replace(tiny_experiment.schedule, num_epochs=1, learning_rate=1e-12)
    config = replace(tiny_experiment, schedule=schedule, start_from=start.path)
    same, fresh = (
        load_file(train(replace(config, data=(data,)), tmp_path / name).weights_path)
        for name, data in (("same", tiny_experiment.data[0]), ("fresh", other))
    )
    given = load_file(start.weights_path)
    for name in ("ridge.layers.1.weight", "ridge.layers.1.bias"):
        assert abs(same[name] - given[name]).max() < 1e-6
        assert abs(fresh[name] - given[name]).max() > 1e-2
    name = next(one for one in given if one.startswith("backbone."))
    assert abs(fresh[name] - given[name]).max() < 1e-6


def test_the_origin_names_data_sets_other_than_nsd(tiny_experiment, of_dataset, tmp_path):
    folder = of_dataset("folder", "{}", dataset="things-fmri", picture_set="things")
    run = train(replace(tiny_experiment, data=(folder,)), tmp_path / "run")
    assert open_run(run.path).about["dataset"] == "things-fmri"
    tuned = replace(tiny_experiment, start_from=run.path)
    told = train(tuned, tmp_path / "tuned").provenance()["started_from"]["data"]
    assert told == [{"dataset": "things-fmri", "subject": 1, "roi": "all", "sessions": [1]}]
    assert "dataset" not in open_run(tmp_path / "tuned").about


def test_a_name_tells_one_picture_within_a_picture_set(tiny_experiment, of_dataset):
    shape = {"picture_set": "mosaic", "protocol": "published"}
    first = of_dataset("first", "a{}.jpg", dataset="mosaic-had", **shape)
    leaking = of_dataset("b", "a{}.jpg", dataset="mosaic-nod", subject=2, order=EXCHANGED, **shape)
    message = r"8 test images of .*first \(published\) are training images of .*b .*\['a300\.jpg'"
    with pytest.raises(ValueError, match=message):
        prepared_subjects(replace(tiny_experiment, data=(first, leaking)))
    other = of_dataset("c", "c{}.jpg", dataset="mosaic-nod", subject=2, order=EXCHANGED, **shape)
    assert len(prepared_subjects(replace(tiny_experiment, data=(first, other)))) == 2


def test_names_of_another_picture_set_mean_other_pictures(tiny_experiment, of_dataset):
    first = of_dataset("first", "{}.jpg", dataset="laion-fmri", picture_set="laion")
    shape = {"dataset": "things-fmri", "picture_set": "things", "order": EXCHANGED}
    other = of_dataset("other", "{}.jpg", subject=2, **shape)
    assert len(prepared_subjects(replace(tiny_experiment, data=(first, other)))) == 2


def test_pictures_that_the_start_was_trained_on_are_known_by_name(
    tiny_experiment, of_dataset, tmp_path
):
    shape = {"picture_set": "mosaic", "protocol": "published"}
    first = of_dataset("first", "a{}.jpg", dataset="mosaic-had", **shape)
    run = train(replace(tiny_experiment, data=(first,)), tmp_path / "run").path
    leaking = of_dataset("b", "a{}.jpg", dataset="mosaic-nod", order=EXCHANGED, **shape)
    with pytest.raises(ValueError, match=r"24 test images of .*b \(published\) are training"):
        plan_of(replace(tiny_experiment, data=(leaking,), start_from=run))
