import pytest
import torch

from mindeye.models.backbone import BackboneConfig
from mindeye.models.contrastive_head import embedding_of
from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.low_level import LowLevelConfig
from mindeye.models.prior import PriorConfig
from mindeye.reconstruction import decode as decoding
from mindeye.reconstruction.decode import decode
from mindeye.types import RepeatBatch


def decoder_of(low_level: LowLevelConfig | None) -> Decoder:
    config = DecoderConfig(
        backbone=BackboneConfig(width=12, num_blocks=1),
        contrastive_width=10,
        prior=PriorConfig(depth=1, head_width=8),
        low_level=low_level,
    )
    shapes = {"token_shape": (5, 16), "latent_shape": (4, 8, 8)}
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Decoder(config, num_voxels_of={1: 7}, **shapes).eval()


@pytest.fixture
def decoder() -> Decoder:
    return decoder_of(LowLevelConfig(base_channels=8))


@pytest.fixture
def scans() -> RepeatBatch:
    """Five images with one to three repeats; absent ones, not always the last, hold zeros."""
    present = torch.tensor([[1, 1, 1], [1, 0, 1], [0, 1, 0], [1, 1, 0], [1, 1, 1]]).bool()
    betas = torch.randn(5, 3, 7, generator=torch.Generator().manual_seed(1))
    return RepeatBatch(
        subject=1,
        betas=(betas * present.unsqueeze(-1)).half(),
        present=present,
        image_ids=torch.tensor([3, 5, 8, 13, 21]),
    )


@torch.no_grad()
def test_by_default_the_mean_scan_is_decoded(decoder, scans):
    decoded = decode(decoder, scans)
    expected = decoder(scans.mean(), 1)
    torch.testing.assert_close(decoded.brain_tokens, expected.brain_tokens, rtol=0, atol=0)
    torch.testing.assert_close(decoded.embeddings, expected.embeddings, rtol=0, atol=0)
    torch.testing.assert_close(decoded.latents, expected.low_level_latents, rtol=0, atol=0)


@torch.no_grad()
@pytest.mark.parametrize("batch", [256, 2])
def test_averaged_outputs_are_means_over_the_repeats_that_are_there(
    decoder, scans, batch, monkeypatch
):
    monkeypatch.setattr(decoding, "BATCH", batch)
    decoded = decode(decoder, scans, averaged_outputs=True)
    for row in range(5):
        outputs = [
            decoder(scans.betas[row, repeat : repeat + 1].float(), 1)
            for repeat in range(3)
            if scans.present[row, repeat]
        ]
        tokens = sum(one.brain_tokens for one in outputs) / len(outputs)
        retrieval = sum(one.retrieval_tokens for one in outputs) / len(outputs)
        latents = sum(one.low_level_latents for one in outputs) / len(outputs)
        torch.testing.assert_close(decoded.brain_tokens[row], tokens[0])
        torch.testing.assert_close(decoded.embeddings[row], embedding_of(retrieval)[0])
        torch.testing.assert_close(decoded.latents[row], latents[0])
    torch.testing.assert_close(decoded.embeddings.norm(dim=1), torch.ones(5))
    assert decoded.image_ids.tolist() == scans.image_ids.tolist()


def test_averaged_outputs_are_not_those_of_the_mean_scan_unless_it_is_the_only_one(decoder, scans):
    ours, theirs = decode(decoder, scans), decode(decoder, scans, averaged_outputs=True)
    distances = (ours.brain_tokens - theirs.brain_tokens).abs().amax((1, 2))
    assert (distances > 1e-3).tolist() == [True, True, False, True, True]


@pytest.mark.parametrize("averaged_outputs", [False, True])
def test_a_decoder_without_low_level_head_gives_no_latents(scans, averaged_outputs):
    assert decode(decoder_of(None), scans, averaged_outputs=averaged_outputs).latents is None


@pytest.mark.parametrize("averaged", [False, True])
def test_a_scan_that_decodes_to_nan_is_refused_with_its_image(decoder, scans, averaged):
    scans.betas[1, 0, 3] = torch.nan
    scans.betas[4, 2, 0] = torch.inf
    message = r"decoded tokens of 2 of 5 images hold NaN or infinity \(image ids 5, 21\)\. Look"
    with pytest.raises(FloatingPointError, match=message):
        decode(decoder, scans, averaged_outputs=averaged)


def test_latents_that_are_not_finite_are_refused_too(decoder, scans):
    """Weights may be damaged where only the blurry picture depends on them."""
    list(decoder.low_level.parameters())[-1].data.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match="decoded latents of 5 of 5 images"):
        decode(decoder, scans)
