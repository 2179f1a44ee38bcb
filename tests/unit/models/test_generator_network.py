import pytest
import torch

from mindeye.models.generator_network import (
    load_generator_network,
    new_generator_network,
    save_generator_network,
)


def network(tokens: int = 10, width: int = 6):
    generator = torch.Generator().manual_seed(0)
    mean = torch.randn(tokens, width, generator=generator)
    std = torch.rand(tokens, width, generator=generator) + 0.5
    torch.manual_seed(0)
    made = new_generator_network((4, 8, 8), mean, std, width=64, layers=1)
    # The transformer starts with silent gates and a silent output: give them something to say.
    for value in made.parameters():
        value.data += 0.05 * torch.randn(value.shape, generator=generator)
    return made.eval()


@torch.inference_mode()
def velocity(network, standardised, noisy=None, time=500):
    noisy = torch.zeros(len(standardised), 4, 8, 8) if noisy is None else noisy
    return network(noisy, torch.full((len(standardised),), time), standardised)


def random(*shape, seed=1):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_standardised_tokens_have_mean_0_and_variance_1_over_images():
    one = network()
    tokens = one.mean + one.std * random(4000, 10, 6)
    standardised = one.standardise(tokens)
    torch.testing.assert_close(standardised.mean(0), torch.zeros(10, 6), rtol=0, atol=0.1)
    torch.testing.assert_close(standardised.std(0), torch.ones(10, 6), rtol=0, atol=0.1)


def test_noise_time_and_every_token_matter():
    one, tokens = network(), random(1, 10, 6)
    plain = velocity(one, tokens)
    assert (velocity(one, tokens, time=100) - plain).abs().max() > 1e-4
    assert (velocity(one, tokens, noisy=random(1, 4, 8, 8)) - plain).abs().max() > 1e-4
    for token in range(10):
        changed = tokens.clone()
        changed[:, token] += 1
        assert (velocity(one, changed) - plain).abs().max() > 1e-4, token


def test_a_patch_token_is_laid_over_its_own_place():
    one = network()
    # Without attention, only what is laid over the latents is left.
    for block in one.transformer.transformer_blocks:
        for attention in (block.attn1, block.attn2):
            attention.to_out[0].weight.data.zero_()
            attention.to_out[0].bias.data.zero_()
    tokens = random(1, 10, 6)
    changed = tokens.clone()
    changed[:, 1] += 1  # the first patch of 3 x 3: rows and columns 0 to 2 of 8
    difference = (velocity(one, changed) - velocity(one, tokens)).abs().sum((0, 1))
    assert difference[:2, :2].min() > 1e-5
    assert difference[6:].max() < 1e-6
    assert difference[:, 6:].max() < 1e-6


def test_saved_and_loaded_it_draws_the_same_to_half_precision(tmp_path):
    one = network()
    tokens, noisy = random(2, 10, 6), random(2, 4, 8, 8)
    before = velocity(one, tokens, noisy)
    save_generator_network(one, tmp_path)
    again = load_generator_network(tmp_path).eval()
    torch.testing.assert_close(velocity(again, tokens, noisy), before, rtol=0.01, atol=0.01)
    torch.testing.assert_close(again.mean, one.mean, rtol=0, atol=0)


def test_patch_tokens_that_fill_no_square_are_refused():
    with pytest.raises(ValueError, match="11 patch tokens fill no square"):
        network(tokens=12)
