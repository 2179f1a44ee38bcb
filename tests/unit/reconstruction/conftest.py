"""A finished run that decodes scans, trained once; shared: read only."""

import functools
from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(scope="session")
def place_of_run(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("trained") / "run"


@pytest.fixture
def trained_run(place_of_run, tiny_experiment, networks, monkeypatch) -> Path:
    """A run of the tiny subject; decoders that are opened draw with the generator of the tests."""
    from mindeye.reconstruction.generators import opening
    from mindeye.training.loop import train

    if not place_of_run.exists():
        train(tiny_experiment, place_of_run)
    tiny = functools.partial(opening.load_scenes_generator, folder=networks.generator)
    monkeypatch.setattr(opening, "load_scenes_generator", tiny)
    return place_of_run


@pytest.fixture
def session(tiny_prepared) -> np.ndarray:
    """Trials of the test images in the order shown, in percent signal change (mean 1, std 1)."""
    from mindeye.data.batches import PreparedSubject

    return PreparedSubject(tiny_prepared).table("test").betas.astype(np.float32) + 1
