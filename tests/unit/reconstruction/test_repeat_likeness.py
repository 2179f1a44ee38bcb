"""Repeats of an image are more alike than other trials, in scans that say something."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from mindeye.reconstruction import repeat_likeness as module
from mindeye.reconstruction.decoder_run import open_decoder
from mindeye.reconstruction.repeat_likeness import RepeatLikeness, repeat_likeness

NUM_IMAGES, NUM_VOXELS = 20, 20


@pytest.fixture
def decoder(trained_run, monkeypatch):
    """Its embeddings are the scans themselves, of length one."""
    decoder = open_decoder(trained_run).decoder

    def forward(betas: torch.Tensor, subject: int) -> SimpleNamespace:
        return SimpleNamespace(embeddings=torch.nn.functional.normalize(betas))

    monkeypatch.setattr(decoder, "forward", forward)
    return decoder


def scan(signal: float, seed: int = 0, repeats: int = 3) -> dict[int, np.ndarray]:
    """Image number -> noise, with as much of a pattern of its own."""
    rng = np.random.default_rng(seed)
    return {
        100 + image: (
            rng.normal(size=(repeats, NUM_VOXELS)) + signal * rng.normal(size=NUM_VOXELS)
        ).astype(np.float32)
        for image in range(NUM_IMAGES)
    }


def unknown(repeats_of):
    return {number: [None] * len(betas) for number, betas in repeats_of.items()}


def found(decoder, repeats_of, sessions_of=None, seed=0) -> RepeatLikeness | None:
    return repeat_likeness(decoder, 1, repeats_of, sessions_of or unknown(repeats_of), seed=seed)


def test_the_numbers_are_means_over_pairs_of_trials(decoder):
    repeats_of = scan(0.5)
    repeats_of[103] = repeats_of[103][:2]
    repeats_of[104] = repeats_of[104][:1]  # has no repeat, and is left out
    trials = [(n, one) for n, betas in repeats_of.items() if len(betas) > 1 for one in betas]

    def cosine(a, b):
        return float(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    alike, different = {}, {}
    for (first, a), (second, b) in itertools.combinations(trials, 2):
        if first == second:
            alike.setdefault(first, []).append(cosine(a, b))
        else:
            different.setdefault(first, []).append(cosine(a, b))
            different.setdefault(second, []).append(cosine(a, b))
    likeness = found(decoder, repeats_of)
    assert list(likeness.of_trials) == sorted(alike)
    np.testing.assert_allclose(
        likeness.alike, [np.mean(alike[n]) for n in sorted(alike)], atol=1e-6
    )
    wanted = [np.mean(different[n]) for n in sorted(alike)]
    np.testing.assert_allclose(likeness.different, wanted, atol=1e-6)
    assert likeness.num_trials == 3 * NUM_IMAGES - 4
    one = [
        np.mean([cosine(repeats_of[103][0], repeats_of[103][1])])
        - np.mean([cosine(repeats_of[103][0], b) for n, b in trials if n != 103])
    ]
    assert likeness.of_trials[103][0] == pytest.approx(one[0], abs=1e-6)


def test_noise_fails_and_a_scan_with_a_little_of_each_image_passes(decoder):
    for seed in range(3):
        noise, real = (found(decoder, scan(signal, seed)) for signal in (0.0, 0.7))
        assert not noise.is_clear
        assert abs(noise.difference) < 0.1
        assert "NOT decoded more alike" in noise.sentence
        assert "Is the list of images that of this scan?" in noise.sentence
        assert real.is_clear
        assert real.p_value == pytest.approx(0.001)
        assert real.difference > 0.2
        assert real.sentence.startswith("Repeats of an image are decoded more alike than other")


def test_p_values_of_noise_are_spread_evenly(decoder):
    values = [found(decoder, scan(0.0, seed)).p_value for seed in range(30)]
    assert 0.35 < np.mean(values) < 0.65
    assert min(values) < 0.2
    assert max(values) > 0.8


def test_what_a_session_has_in_common_is_not_taken_for_the_image(decoder):
    repeats_of, rng = scan(0.0), np.random.default_rng(1)
    # Each image is shown in one session only, whose patterns lie far apart.
    patterns = rng.normal(size=(5, NUM_VOXELS)).astype(np.float32)
    session_of = {number: number % 5 for number in repeats_of}
    moved = {
        number: betas + 2 * patterns[session_of[number]] for number, betas in repeats_of.items()
    }
    sessions_of = {number: [session_of[number]] * 3 for number in moved}
    assert found(decoder, moved).is_clear
    assert not found(decoder, moved, sessions_of).is_clear


def test_a_scan_without_repeats_or_of_one_image_is_not_judged(decoder):
    repeats_of = scan(1.0)
    assert found(decoder, {number: betas[:1] for number, betas in repeats_of.items()}) is None
    assert found(decoder, {100: repeats_of[100]}) is None
    assert found(decoder, {}) is None


def test_few_repeats_are_said_to_tell_little(decoder):
    few = found(decoder, dict(list(scan(0.0).items())[:3]))
    assert not few.can_tell
    assert few.sentence.endswith("So few repeats can hardly tell.")


def test_of_very_many_trials_whole_images_are_drawn_by_seed(decoder, monkeypatch):
    monkeypatch.setattr(module, "MOST_TRIALS", 16)
    first, again, other = (found(decoder, scan(0.0), seed=seed) for seed in (1, 1, 2))
    assert list(first.of_trials) == list(again.of_trials) != list(other.of_trials)
    assert first.num_trials == 15
    assert first.p_value == again.p_value


def test_the_repeats_of_a_trained_decoder_are_alike_and_noise_is_not(
    trained_run, tiny_prepared, session
):
    from mindeye.data.batches import PreparedSubject

    run, table = open_decoder(trained_run), PreparedSubject(tiny_prepared).table("test")
    rng = np.random.default_rng(0)
    for betas, clear in ((session - 1, True), (rng.normal(size=session.shape), False)):
        repeats_of = {
            number: betas[table.image_ids == number].astype(np.float32)
            for number in np.unique(table.image_ids).tolist()
        }
        assert found(run.decoder, repeats_of).is_clear is clear
