import time
import warnings

import numpy as np
import pytest
import torch

from mindeye.reconstruction.decoder_run import open_decoder
from mindeye.reconstruction.image_decoder import ImageDecoder
from mindeye.reconstruction.settings import ReconstructionConfig

CONFIG = ReconstructionConfig(candidates=4, steps=2, prior_steps=2)


@pytest.fixture
def decoder(trained_run) -> ImageDecoder:
    return ImageDecoder(open_decoder(trained_run), CONFIG)


@pytest.fixture
def scan(session) -> np.ndarray:
    return (session[0] - 1)[None]


def with_room_for(decoder: ImageDecoder, pictures: int, asked: list[int]) -> None:
    """Memory runs out behind the prior, as it does where a generator is large."""
    sample = decoder.sample_tokens

    def tight(brain_tokens, noises):
        asked.append(len(brain_tokens))
        tokens = sample(brain_tokens, noises)
        if len(brain_tokens) > pictures:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return tokens

    decoder.sample_tokens = tight


def test_tokens_of_the_chosen_candidate_are_known_where_a_batch_was_halved(
    trained_run, scan, decoder
):
    whole = ImageDecoder(open_decoder(trained_run), CONFIG)
    chosen = set()
    decoder.batch.pictures = 2
    for number in range(8):
        found, expected = (one.decode(scan, number).arrays for one in (decoder, whole))
        chosen.add(int(found["chosen"][0]))
        assert found["image_tokens"].dtype == np.float32
        np.testing.assert_array_equal(found["chosen"], expected["chosen"])
        # Products of matrices of another size are rounded otherwise.
        np.testing.assert_allclose(found["image_tokens"], expected["image_tokens"], atol=1e-5)
    assert chosen & {0, 1}, "one of the first batch was chosen at least once"
    assert chosen & {2, 3}, "and one of the last"


def test_the_time_of_the_prior_is_that_of_all_its_calls(decoder, scan):
    sample, seconds = decoder.sample_tokens, 0.05

    def slow(brain_tokens, noises):
        time.sleep(seconds)
        return sample(brain_tokens, noises)

    decoder.sample_tokens = slow
    decoder.batch.pictures = 2
    told = decoder.decode(scan, 7).seconds
    assert told["prior"] > 2 * seconds
    assert told["draw"] > 0


def test_memory_that_ran_out_for_one_image_is_not_asked_for_in_the_next(decoder, scan):
    asked: list[int] = []
    with_room_for(decoder, 2, asked)
    with pytest.warns(UserWarning, match="no room to draw 4 pictures at once"):
        decoder.decode(scan, 7)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        decoder.decode(scan, 8)
    assert asked == [4, 2, 2, 2, 2]
