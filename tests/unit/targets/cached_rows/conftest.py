"""Three pictures, and a network whose rows of them are known: the mean colour."""

import numpy as np
import pytest
import torch

from mindeye.files import sha256_of
from mindeye.pictures import SavedPictures
from mindeye.targets.embedder import Embedder, View

IMAGE_IDS = np.array([7, 8, 100])


@pytest.fixture
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (4, 2, 2, 3), dtype=np.uint8)


@pytest.fixture
def pictures(images, tmp_path) -> SavedPictures:
    """The last three of four."""
    path = tmp_path / "images.npy"
    np.save(path, images)
    return SavedPictures(
        path=path, sha256=sha256_of(path), image_ids=IMAGE_IDS, rows=np.array([1, 2, 3])
    )


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def mean_colour(view: View | None = None) -> Embedder:
    return Embedder(
        role="maps",
        identity="mean-abc",
        row_shape=(3,),
        device=torch.device("cpu"),
        embed=lambda images: images.mean((2, 3)),
        view=view,
    )


def darker_view(number: int, **settings) -> View:
    def darker(images, image_ids):
        return images - torch.from_numpy(image_ids % 10 / 10).float().view(-1, 1, 1, 1)

    return View(number=number, settings={"number": number, **settings}, change=darker)


@pytest.fixture
def network():
    """(view) -> a network that says the mean colour."""
    return mean_colour


@pytest.fixture
def view():
    """(number, settings) -> pictures that are darker by their image id's last digit."""
    return darker_view
