import json

import pytest
import torch

from mindeye.reconstruction.generators.catalogue import CATALOGUE
from mindeye.verbs.benchmarks.drawing_memory import num_live_bytes, weight_bytes
from mindeye.verbs.benchmarks.generator_memory import draw_one, generator_memory, smallest_card
from mindeye.verbs.benchmarks.random_in_memory import generator_plan, random_generator

NAMES = [name for name, facts in CATALOGUE.items() if facts.parts]


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_those_of_a_generator_that_draws_and_live_in_every_stage(name):
    plan = generator_plan(name, None, small=True)
    generator = random_generator(plan, dtype=torch.float32, device="cpu")
    assert generator.identity == f"{name}-random-0"
    picture = draw_one(generator, "cpu")
    assert picture.shape == (1, 3, plan.side, plan.side)
    assert picture.isfinite().all()
    networks = (generator.unet, generator.vae.model)
    held = sum(one.nbytes for network in networks for one in network.parameters())
    assert weight_bytes(name, dtype=torch.float32, small=True) == held
    live = num_live_bytes(name, dtype=torch.float32, small=True)
    assert list(live) == ["encode", "step", "decode"]
    # Besides: the pixels, and what the VAE's first layer makes of them.
    assert live["encode"] > held + 4 * (3 + 8) * plan.side**2
    assert live["step"] > held
    assert live["decode"] > held + 4 * 3 * plan.side**2


@pytest.mark.parametrize("name", NAMES)
def test_the_catalogue_names_the_weights_that_are_counted(name):
    told = CATALOGUE[name].memory
    assert weight_bytes(name) / 1e9 == pytest.approx(told.weights_gigabytes, abs=0.2)


def test_a_card_holds_the_peak_beside_what_cuda_takes():
    assert smallest_card(6.7) == 8
    assert smallest_card(6.9) == 12
    assert smallest_card(100) is None


def test_the_table_and_the_files_say_the_same(tmp_path):
    lines = list(generator_memory("cpu", "float16", tmp_path, ["image-variations"], small=True))
    assert "RANDOM" in lines[0]
    assert "counted, not measured" in lines[0]
    (row,) = json.loads((tmp_path / "generator-memory.json").read_text())["generators"]
    names, values = (tmp_path / "generator-memory.tsv").read_text().splitlines()
    assert dict(zip(names.split("\t"), values.split("\t"), strict=True)) == {
        name: str(value) for name, value in row.items()
    }
    live = num_live_bytes("image-variations", small=True)
    assert row["peak_gigabytes"] == max(live.values()) / 1e9
    assert row["card_gigabytes"] == 8
    assert lines[-1].split()[0] == "image-variations"


def test_what_comes_with_the_package_is_refused(tmp_path):
    with pytest.raises(LookupError, match="no random `scenes`: its weights come with the package"):
        list(generator_memory("cpu", "float16", tmp_path, ["scenes"]))
    assert not list(tmp_path.iterdir())
