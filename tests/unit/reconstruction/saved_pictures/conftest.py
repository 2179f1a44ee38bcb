"""Twelve pictures of random blocks, and the ways in which people save them."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture
def pictures() -> np.ndarray:
    rng = np.random.default_rng(3)
    return rng.integers(0, 256, (12, 4, 4, 3), dtype=np.uint8).repeat(4, 1).repeat(4, 2)


@pytest.fixture
def image_ids() -> np.ndarray:
    """Not ascending, and not one after another."""
    return np.random.default_rng(4).permutation(np.arange(7000, 7036, 3))


@pytest.fixture
def save_folder(tmp_path, pictures, image_ids):
    """Writes PNGs; `name_of` makes the name from an image id."""

    def save(name: str = "folder", name_of=lambda one: f"nsd-{one:05d}.png") -> Path:
        (tmp_path / name).mkdir()
        for image_id, picture in zip(image_ids.tolist(), pictures, strict=True):
            Image.fromarray(picture).save(tmp_path / name / name_of(image_id))
        return tmp_path / name

    return save


@pytest.fixture
def save_as(tmp_path, pictures, image_ids, save_folder):
    """Form -> path of the pictures with their ids in that form."""

    def save(form: str) -> Path:
        path = tmp_path / f"pictures.{form}"
        if form == "folder":
            return save_folder()
        if form == "npz":
            np.savez(path, images=pictures, image_ids=image_ids)
        elif form == "compressed.npz":
            np.savez_compressed(path, images=pictures.transpose(0, 3, 1, 2), image_ids=image_ids)
        elif form == "hdf5":
            with h5py.File(path, "w") as file:
                file["images"], file["image_ids"] = pictures, image_ids
        elif form == "pt":
            images = torch.from_numpy(pictures).permute(0, 3, 1, 2)
            torch.save({"images": images, "image_ids": torch.from_numpy(image_ids)}, path)
        return path

    return save
