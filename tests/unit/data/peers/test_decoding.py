"""What a peer published goes the whole road as an NSD tree does."""

import functools
from dataclasses import replace

import pytest

from mindeye.data.peers.mindeye1 import prepare_mindeye1
from mindeye.data.peers.mindeye2 import prepare_mindeye2
from mindeye.reconstruction.generators import opening
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.training.loop import train
from mindeye.verbs.reconstruct import reconstruct_run
from mindeye.verbs.retrieval.retrieve import retrieve_run


@pytest.mark.parametrize("prepare", [prepare_mindeye1, prepare_mindeye2])
def test_training_retrieval_and_reconstruction_take_the_folder_as_any_other(
    prepare, mindeye1, mindeye2, tiny_experiment, networks, monkeypatch, tmp_path
):
    generator = functools.partial(opening.load_scenes_generator, folder=networks.generator)
    monkeypatch.setattr(opening, "load_scenes_generator", generator)
    toy = mindeye1 if prepare is prepare_mindeye1 else mindeye2
    prepared = prepare(toy.folder, subject=7, out=tmp_path / "prepared")
    schedule = replace(tiny_experiment.schedule, num_epochs=1, batch=4)
    run = train(replace(tiny_experiment, data=(prepared,), schedule=schedule), tmp_path / "run")
    retrieved = retrieve_run(run.path)
    config = ReconstructionConfig(candidates=1, steps=1, prior_steps=1)
    drawn = reconstruct_run(run.path, tmp_path / "drawn", config)
    tested = sorted(set(toy.ids["test" if toy is mindeye1 else "new_test"]))
    assert retrieved.image_ids.tolist() == drawn.image_ids.tolist() == tested
    assert len(retrieved.about["transductive"]) == 1
