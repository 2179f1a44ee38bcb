"""Evaluations of toy systems, and what further metrics of a finished run ask for."""

import json
import shutil

import numpy as np
import pytest

from mindeye.data.batches import PreparedSubject
from mindeye.reconstruction.saved_pictures.pairing import PicturesAsked
from mindeye.verbs.evaluation.compare import compare_evaluations
from mindeye.verbs.evaluation.evaluate_pictures import HowToScore, evaluate_pictures
from mindeye.verbs.evaluation.evaluated import Allowed

NUM_IMAGES = 24
# Share of noise in the pictures of each system.
NOISE = {"good": 0.3, "middling": 0.6, "poor": 0.9}


@pytest.fixture(scope="session")
def toy_systems(tmp_path_factory):
    """FOLDER/{good,middling,poor} hold evaluations of pictures with more and more noise."""
    folder = tmp_path_factory.mktemp("systems")
    rng = np.random.default_rng(2)
    shape = (NUM_IMAGES, 16, 16, 3)
    ids = np.sort(rng.choice(73_000, NUM_IMAGES, replace=False))
    shown = rng.integers(0, 256, shape, dtype=np.uint8)
    np.savez(folder / "shown.npz", images=shown, image_ids=ids)
    for name, share in NOISE.items():
        noise = rng.integers(0, 256, shape)
        drawn = ((1 - share) * shown + share * noise).astype(np.uint8)
        # The poor system has six images fewer, and its pictures in another order.
        rows = rng.permutation(NUM_IMAGES)[: NUM_IMAGES - 6 * (name == "poor")]
        path = folder / f"{name}.npz"
        np.savez(path, images=drawn[rows], image_ids=ids[rows])
        asked = PicturesAsked(reconstructions=path, images=folder / "shown.npz")
        evaluate_pictures(asked, folder / name, HowToScore())
    return folder


@pytest.fixture
def evaluations(toy_systems, tmp_path):
    """Paths of a copy, which a test may change; the pictures stay where they were evaluated."""
    for name in NOISE:
        shutil.copytree(toy_systems / name, tmp_path / name)
    return {name: tmp_path / name for name in NOISE}


@pytest.fixture
def compare(evaluations, tmp_path):
    """(names of toy systems or NAME=PATH, settings) -> their comparison, written to OUT."""

    def run(*names, allowed=None, **settings):
        given = [str(evaluations.get(name, name)) for name in names]
        allowed = Allowed() if allowed is None else allowed
        return compare_evaluations(given, tmp_path / "out", allowed=allowed, **settings)

    return run


@pytest.fixture
def regions(monkeypatch):
    """The tiny subject has no labels on its disk; here twelve and three voxels have one."""
    labelled = {"V1": np.arange(20) < 12, "hV4": np.arange(20) >= 17}
    monkeypatch.setattr(PreparedSubject, "roi_of_voxels", lambda self: labelled)
    return labelled


@pytest.fixture
def captions(tmp_path):
    """Writes captions by id as JSON."""

    def write(name, texts):
        path = tmp_path / name
        path.write_text(json.dumps({str(image_id): text for image_id, text in texts.items()}))
        return path

    return write
