"""Where a generator's weights are looked for, and what is said when they are not there."""

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from diffusers import EulerDiscreteScheduler

from mindeye.files import read_json
from mindeye.reconstruction.generators import hub_cache
from mindeye.reconstruction.generators.catalogue import CATALOGUE, HubPart
from mindeye.reconstruction.generators.execution import GeneratorExecution
from mindeye.reconstruction.generators.hub_cache import folders_of
from mindeye.reconstruction.generators.ip_adapter import ADAPTER_FILES
from mindeye.reconstruction.generators.opening import LOADERS, open_generator
from mindeye.reconstruction.generators.scenes import OFFLINE_GENERATOR
from mindeye.reconstruction.generators.sdxl import SCHEDULE
from mindeye.targets.vae import load_vae

COMMIT = "2926f8e11ea526b562cd592b099fcf9c2985d0b7"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Iterator[Path]:
    """An empty cache of the hub; whoever asks the net for anything fails the test."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(hub_cache.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    asked = []
    # Raising alone would not do: the hub's client takes that for a net that is down.
    monkeypatch.setattr(socket, "getaddrinfo", lambda *names, **more: asked.append(names) or [])
    yield tmp_path / "hub"
    assert asked == []


@pytest.fixture(scope="module")
def vae(networks):
    return load_vae(networks.vae)


def put(cache: Path, part: HubPart, folder: Path) -> Path:
    """As `hf download` leaves it."""
    kind = "datasets" if part.is_dataset else "models"
    repository = cache / f"{kind}--{part.repository.replace('/', '--')}"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / (part.revision or "main")).write_text(COMMIT)
    return Path(shutil.copytree(folder, repository / "snapshots" / COMMIT))


@pytest.mark.parametrize("name", ["versatile", "image-variations"])
def test_weights_are_found_in_the_hubs_cache(cache, random_generators, vae, name):
    (part,) = CATALOGUE[name].parts
    found = put(cache, part, random_generators[name])
    assert folders_of(name, None) == (found,)
    assert open_generator(name, vae=vae).identity.startswith(f"{name}-random-")


@pytest.mark.parametrize("name", [name for name, facts in CATALOGUE.items() if facts.parts])
def test_absent_weights_are_named_with_licence_size_command_and_place(cache, name):
    part = CATALOGUE[name].parts[0]
    with pytest.raises(FileNotFoundError) as refusal:
        folders_of(name, None)
    told = str(refusal.value)
    looked = cache / f"models--{part.repository.replace('/', '--')}"
    if part.is_dataset:
        looked = cache / f"datasets--{part.repository.replace('/', '--')}"
    expected = (part.repository, part.licence, f"{part.gigabytes:g} GB", str(looked), part.command)
    assert not [one for one in (*expected, "--generator-source") if one not in told]


def test_the_command_fetches_the_right_files():
    (part,) = CATALOGUE["image-variations"].parts
    assert part.command == (
        "hf download lambdalabs/sd-image-variations-diffusers --revision v2.0 "
        "--include 'unet/*' --include 'vae/*' --include 'scheduler/*'"
    )
    dataset = HubPart(repository="a/b", files=("c",), gigabytes=1, licence="MIT", is_dataset=True)
    assert dataset.command == "hf download a/b --type dataset --include 'c'"


def test_half_fetched_weights_are_refused_by_the_part_that_is_missing(
    cache, random_generators, vae
):
    (part,) = CATALOGUE["versatile"].parts
    found = put(cache, part, random_generators["versatile"])
    shutil.rmtree(found / "vae")
    with pytest.raises(FileNotFoundError, match=r"no network at .*vae: config.json is missing"):
        open_generator("versatile", vae=vae)


def test_a_given_folder_is_opened_and_one_that_is_absent_refused(random_generators, vae, tmp_path):
    folder = random_generators["versatile"]
    assert open_generator("versatile", folder, vae=vae).token_shape == (5, 16)
    with pytest.raises(FileNotFoundError, match=r"no folder .*absent .* --local-dir"):
        open_generator("versatile", tmp_path / "absent", vae=vae)


def test_an_unknown_generator_is_refused_with_those_that_there_are(vae):
    with pytest.raises(LookupError, match=r"Unknown generator `vd`.* scenes, versatile"):
        open_generator("vd", vae=vae)


def test_the_offline_generator_refuses_what_it_would_ignore(vae):
    with pytest.raises(ValueError, match="scenes is small and draws in float32"):
        open_generator("scenes", vae=vae, execution=GeneratorExecution(dtype="bfloat16"))


def test_every_generator_of_the_catalogue_can_be_opened():
    assert {"scenes", *LOADERS, *ADAPTER_FILES} == set(CATALOGUE)


@pytest.mark.parametrize("name", [name for name, facts in CATALOGUE.items() if facts.memory])
def test_the_card_that_is_named_holds_the_estimate_and_no_smaller_one_does(name):
    memory = CATALOGUE[name].memory
    assert memory.weights_gigabytes < memory.estimate_gigabytes
    cards = [card for card in (8, 12, 16, 24) if memory.estimate_gigabytes <= card]
    assert memory.card_gigabytes == cards[0]


@pytest.mark.parametrize("name", CATALOGUE)
def test_no_more_steps_are_allowed_than_the_schedule_has_noise_levels(name, random_generators):
    if name in random_generators:
        config = read_json(random_generators[name] / "scheduler" / "scheduler_config.json")
    elif name == "scenes":
        config = read_json(OFFLINE_GENERATOR / "scheduler" / "scheduler_config.json")
    else:
        config = EulerDiscreteScheduler.from_config(dict(SCHEDULE)).config
    assert config["num_train_timesteps"] == CATALOGUE[name].train_times
