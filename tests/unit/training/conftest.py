"""A subject ready for training, and trainings that nothing interrupted."""

import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
from mindeye.training.loop import train
from mindeye.training.subjects import open_subject


@pytest.fixture(scope="session")
def uninterrupted(tmp_path_factory):
    """Experiment -> its run, trained once for each seed; shared: read only."""
    trained = {}

    def run_of(experiment):
        if experiment.seed not in trained:
            folder = tmp_path_factory.mktemp("runs") / f"seed{experiment.seed}"
            trained[experiment.seed] = train(experiment, folder)
        return trained[experiment.seed]

    return run_of


@pytest.fixture
def subject(tiny_experiment, tiny_prepared):
    return open_subject(
        PreparedSubject(tiny_prepared),
        load_clip(tiny_experiment.clip),
        load_vae(tiny_experiment.vae),
    )
