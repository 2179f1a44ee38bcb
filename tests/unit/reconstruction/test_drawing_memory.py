from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mindeye.models.contrastive_head import embedding_of
from mindeye.reconstruction import drawing_memory
from mindeye.reconstruction.drawing import Artist
from mindeye.reconstruction.drawing_memory import batch_within, held_bytes, picture_bytes
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.targets.clip import load_clip
from mindeye.targets.vae import load_vae
from mindeye.types import Decoded

CONFIG = ReconstructionConfig(candidates=2, steps=1)
MEGABYTE = 2**20


class Greedy:
    """A generator that takes a known memory for each picture."""

    identity, token_shape, side = "greedy", (5, 16), 32

    def __init__(self, megabytes: int) -> None:
        self.megabytes = megabytes

    def generate(self, image_tokens, **given):
        torch.zeros(len(image_tokens), self.megabytes, MEGABYTE, dtype=torch.uint8)
        return torch.full((len(image_tokens), 3, 32, 32), 0.5)


@pytest.fixture
def artist(networks) -> Artist:
    return Artist(clip=load_clip(networks.clip), vae=load_vae(networks.vae), generator=Greedy(200))


@pytest.fixture
def decoded() -> Decoded:
    tokens = torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(0)) / 4
    return Decoded(
        image_ids=torch.tensor([7, 9, 20]),
        brain_tokens=tokens,
        embeddings=embedding_of(tokens),
        image_tokens=None,
        latents=None,
    )


def test_a_picture_takes_what_its_largest_stage_allocates(decoded, artist):
    taken = picture_bytes(decoded, artist, CONFIG, None)
    assert 200 * MEGABYTE <= taken < 205 * MEGABYTE
    more = picture_bytes(decoded, replace(artist, generator=Greedy(300)), CONFIG, None)
    assert 99 * MEGABYTE < more - taken < 101 * MEGABYTE


def test_the_batch_is_what_the_limit_leaves_beside_the_networks(decoded, artist, monkeypatch):
    monkeypatch.setattr(drawing_memory, "held_bytes", lambda device: 1000 * MEGABYTE)
    for limit, pictures in ((1250, 1), (1450, 2), (2100, 5), (1_000_000, 512)):
        batch = batch_within(limit * MEGABYTE, decoded, artist, CONFIG, None)
        assert batch.pictures == pictures


def test_a_limit_below_one_picture_is_refused_and_what_is_needed_is_told(
    decoded, artist, monkeypatch
):
    monkeypatch.setattr(drawing_memory, "held_bytes", lambda device: 10**9)
    with pytest.raises(
        ValueError, match=r"limit of 1.10 GB is too small: 1.00 GB are held"
    ) as told:
        batch_within(1.1e9, decoded, artist, CONFIG, None)
    enough = float(str(told.value).split("--max-memory ")[1].split("G")[0])
    assert batch_within(enough * 1e9, decoded, artist, CONFIG, None).pictures == 1


def test_what_a_process_holds_on_a_cpu_grows_with_what_it_touches_and_shrinks_with_what_it_frees():
    cpu = torch.device("cpu")
    before = held_bytes(cpu)
    kept = np.ones(200 * MEGABYTE, dtype=np.uint8)
    assert abs(held_bytes(cpu) - before - kept.nbytes) < 20 * MEGABYTE
    (told,) = (
        line for line in Path("/proc/self/status").read_text().splitlines() if "VmRSS" in line
    )
    assert abs(held_bytes(cpu) - 1024 * int(told.split()[1])) < 5 * MEGABYTE
    del kept
    assert abs(held_bytes(cpu) - before) < 20 * MEGABYTE


def test_weights_that_are_first_read_while_drawing_are_held(decoded, artist, tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(bytes(300 * MEGABYTE))
    weights = np.memmap(path, dtype=np.uint8, mode="r")
    held = held_bytes(torch.device("cpu"))

    class Reader(Greedy):
        def generate(self, image_tokens, **given):
            weights.sum()
            return super().generate(image_tokens, **given)

    reading = replace(artist, generator=Reader(200))
    with pytest.raises(ValueError, match=r"GB are held, networks and all") as told:
        batch_within(held + 400 * MEGABYTE, decoded, reading, CONFIG, None)
    found = float(str(told.value).split("too small: ")[1].split(" GB")[0])
    assert found * 1e9 > held + 280 * MEGABYTE
