import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from mindeye.targets.vae import load_vae


@pytest.fixture(scope="module")
def vae(networks):
    return load_vae(networks.vae)


def pictures(side: int = 32) -> torch.Tensor:
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(0))


def test_latents_and_pictures_have_the_shapes_promised(vae):
    latents = vae.latents(pictures())
    assert latents.shape == (3, *vae.latent_shape) == (3, 4, 8, 8)
    assert vae.factor == 4
    images = vae.images(latents)
    assert images.shape == (3, 3, 32, 32)
    assert 0 <= images.min() <= images.max() <= 1


def test_latents_are_the_posteriors_mode_times_the_scaling_factor(vae):
    expected = vae.model.encode(2 * pictures() - 1).latent_dist.mode()
    torch.testing.assert_close(vae.latents(pictures()), 2.0 * expected)


def test_the_decoder_gets_back_what_the_encoder_gave(vae):
    posterior = vae.model.encode(2 * pictures() - 1).latent_dist.mode()
    expected = (vae.model.decode(posterior).sample / 2 + 0.5).clamp(0, 1)
    torch.testing.assert_close(vae.images(vae.latents(pictures())), expected)


def test_latents_are_deterministic(vae):
    assert torch.equal(vae.latents(pictures()), vae.latents(pictures()))


def test_pictures_of_another_size_are_resized(vae):
    assert vae.latents(pictures(side=48)).shape == (3, 4, 8, 8)


def test_weights_stored_as_float16_are_used_as_float32_and_frozen(vae):
    assert {parameter.dtype for parameter in vae.model.parameters()} == {torch.float32}
    assert not any(parameter.requires_grad for parameter in vae.model.parameters())
    assert not vae.model.training


@pytest.mark.parametrize("name", ["config.json", "diffusion_pytorch_model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused_by_its_name(networks, tmp_path, name):
    folder = shutil.copytree(networks.vae, tmp_path / "vae")
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"No VAE at .*: {name} is missing"):
        load_vae(folder)


def test_a_vae_without_its_decoder_is_refused(networks, tmp_path):
    folder = shutil.copytree(networks.vae, tmp_path / "vae")
    weights = load_file(folder / "diffusion_pytorch_model.safetensors")
    kept = {name: one for name, one in weights.items() if not name.startswith("decoder.")}
    save_file(kept, folder / "diffusion_pytorch_model.safetensors")
    with pytest.raises(ValueError, match=r"lacks \d+ weights of its VAE, such as `decoder\.conv"):
        load_vae(folder)


def test_what_is_decoded_is_cut_off_only_where_pictures_are_asked_for(vae):
    latents = 20 * torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    decoded = vae.unclamped(latents)
    assert decoded.min() < 0
    assert torch.equal(vae.images(latents), decoded.clamp(0, 1))
