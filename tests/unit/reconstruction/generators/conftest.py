"""Tiny random generators in the folder layouts that the published ones have."""

from pathlib import Path

import pytest

TOKEN_SHAPE_OF = {"versatile": (5, 16), "image-variations": (1, 16)}


@pytest.fixture(scope="session")
def random_generators(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Name -> folder; shared: read only."""
    from mindeye.verbs.benchmarks.random_generators import write_random_generator

    folder = tmp_path_factory.mktemp("random-generators")
    return {
        name: write_random_generator(name, folder / name, token_shape=shape, small=True)
        for name, shape in TOKEN_SHAPE_OF.items()
    }
