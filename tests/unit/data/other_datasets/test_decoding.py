"""Other data sets go the whole road as an NSD tree does."""

from dataclasses import replace

import pytest
import torch

from mindeye.data.other_datasets.mosaic import prepare_mosaic
from mindeye.data.other_datasets.things import prepare_things
from mindeye.training.loop import train
from mindeye.verbs.retrieval.retrieve import retrieve_run


@pytest.fixture
def prepared_of(mosaic, things, tmp_path):
    """Name of a data set -> its prepared folder."""

    def prepare(name):
        out = tmp_path / name
        if name == "things-fmri":
            return prepare_things(things.folder, subject=2, out=out, stimuli=things.pictures)
        given = {"stimuli": mosaic.pictures, "stimulus_table": mosaic.table, "seed": 6}
        chosen = {"roi": "all", "noise_ceiling_above": 1.0}
        return prepare_mosaic(mosaic.file, subject=2, out=out, **given, **chosen)

    return prepare


@pytest.mark.parametrize("name", ["mosaic-god", "things-fmri"])
def test_training_and_retrieval_take_the_folder_as_any_other(
    name, prepared_of, tiny_experiment, tmp_path
):
    schedule = replace(tiny_experiment.schedule, num_epochs=1, batch=4)
    experiment = replace(tiny_experiment, data=(prepared_of(name),), schedule=schedule)
    run = train(experiment, tmp_path / "run")
    retrieved = retrieve_run(run.path)
    assert len(retrieved.image_ids) == 2
    assert retrieved.about["dataset"] == name


def test_one_data_set_is_fine_tuned_on_what_another_taught(prepared_of, tiny_experiment, tmp_path):
    """Both have a subject 2, whose voxels differ in number: its ridge starts fresh."""
    schedule = replace(tiny_experiment.schedule, num_epochs=1, batch=4)
    small = replace(tiny_experiment, schedule=schedule)
    first = train(replace(small, data=(prepared_of("mosaic-god"),)), tmp_path / "first")
    second = replace(small, data=(prepared_of("things-fmri"),), start_from=first.path)
    tuned = train(second, tmp_path / "tuned")
    shapes = [run.weights()["ridge.layers.2.weight"].shape for run in (first, tuned)]
    assert shapes == [torch.Size([24, 4]), torch.Size([24, 17])]
    assert tuned.provenance()["started_from"]["data"][0]["dataset"] == "mosaic-god"
