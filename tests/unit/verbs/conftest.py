"""One finished run with all that the verbs write of it, made once; every test gets a copy."""

import functools
import shutil
from pathlib import Path

import pytest


@pytest.fixture
def tiny_generator(monkeypatch, networks):
    """The verbs draw with the generator of the tests."""
    from mindeye.reconstruction.generators import opening

    tiny = functools.partial(opening.load_scenes_generator, folder=networks.generator)
    monkeypatch.setattr(opening, "load_scenes_generator", tiny)


@pytest.fixture(scope="session")
def original(tmp_path_factory) -> Path:
    """Where the run that is copied lies; `finished_run` makes it at its first use."""
    return tmp_path_factory.mktemp("original") / "run"


@pytest.fixture
def finished_run(original, tmp_path, tiny_experiment, tiny_generator) -> Path:
    """Trained, drawn, retrieved and evaluated: RUN/reconstructions holds all eight test images."""
    from mindeye.reconstruction.pipeline import ReconstructionConfig
    from mindeye.training.loop import train
    from mindeye.verbs.evaluation.evaluate import evaluate_folder
    from mindeye.verbs.reconstruct import reconstruct_run
    from mindeye.verbs.retrieval.retrieve import retrieve_run

    if not original.exists():
        train(tiny_experiment, original)
        config = ReconstructionConfig(candidates=2, steps=2, prior_steps=2)
        reconstruct_run(original, original / "reconstructions", config)
        retrieve_run(original)
        evaluate_folder(original / "reconstructions")
    return shutil.copytree(original, tmp_path / "run")


@pytest.fixture
def contents():
    """Files of a folder -> bytes: what a verb that refuses must leave alone."""

    def read(folder: Path) -> dict[str, bytes]:
        files = (path for path in folder.rglob("*") if path.is_file())
        return {str(path.relative_to(folder)): path.read_bytes() for path in files}

    return read


@pytest.fixture
def change_json():
    """Rewrites a JSON file through a function."""
    from mindeye.files import read_json, write_json

    def change(path: Path, edit) -> None:
        content = read_json(path)
        edit(content)
        write_json(path, content)

    return change
