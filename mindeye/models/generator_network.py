"""The network of the offline generator: noisy VAE latents and CLIP tokens -> velocity."""

from pathlib import Path

import torch
from diffusers import PixArtTransformer2DModel
from jaxtyping import Float, Int
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from mindeye.files import atomic_path

TRANSFORMER = "transformer"
STATISTICS = "token_statistics.safetensors"
WIDTH = 192
LAYERS = 6


class GeneratorNetwork(nn.Module):
    """A latent diffusion transformer that sees CLIP tokens twice.

    Patch tokens are laid over the latents as further input channels, because they know where
    they are; and all tokens are attended to. Both are standardised by the statistics of the
    training images: what all images share is most of a token's norm.
    """

    def __init__(self, transformer: PixArtTransformer2DModel, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.transformer = transformer
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(channels, rows, columns) of one picture's latents."""
        config = self.transformer.config
        return config.out_channels, config.sample_size, config.sample_size

    def standardise(
        self, tokens: Float[Tensor, "images tokens width"]
    ) -> Float[Tensor, "images tokens width"]:
        """Tokens with mean 0 and variance 1 over the training images; zeros say nothing."""
        return (tokens - self.mean) / self.std

    def forward(
        self,
        noisy: Float[Tensor, "images channels rows columns"],
        times: Int[Tensor, "images"],
        standardised: Float[Tensor, "images tokens width"],
    ) -> Float[Tensor, "images channels rows columns"]:
        """The velocity (arXiv:2202.00512) at these times of the noise schedule."""
        side = int((standardised.shape[1] - 1) ** 0.5)
        grid = standardised[:, 1:].transpose(1, 2).unflatten(2, (side, side))
        laid = functional.interpolate(grid, size=noisy.shape[2:], mode="bilinear")
        return self.transformer(
            torch.cat([noisy, laid], dim=1),
            encoder_hidden_states=standardised,
            timestep=times,
            added_cond_kwargs={"resolution": None, "aspect_ratio": None},
        ).sample


def new_generator_network(
    latent_shape: tuple[int, int, int],
    mean: Float[Tensor, "tokens width"],
    std: Float[Tensor, "tokens width"],
    *,
    width: int = WIDTH,
    layers: int = LAYERS,
) -> GeneratorNetwork:
    """An untrained network over square latents, in patches of 2 x 2.

    Raises:
        ValueError: patch tokens that fill no square.
    """
    num_patches, token_width = mean.shape[0] - 1, mean.shape[1]
    if int(num_patches**0.5) ** 2 != num_patches:
        raise ValueError(
            f"{num_patches} patch tokens fill no square. Take a CLIP with square images."
        )
    channels, side, _ = latent_shape
    transformer = PixArtTransformer2DModel(
        num_attention_heads=width // 64,
        attention_head_dim=64,
        cross_attention_dim=width,
        num_layers=layers,
        in_channels=channels + token_width,
        out_channels=channels,
        sample_size=side,
        patch_size=2,
        caption_channels=token_width,
        norm_type="ada_norm_single",
        use_additional_conditions=False,
    )
    return GeneratorNetwork(transformer, mean, std)


def load_generator_network(folder: Path) -> GeneratorNetwork:
    """Reads what `save_generator_network` wrote.

    Raises:
        FileNotFoundError: a part is missing.
    """
    for path in (generator_weights(folder), folder / STATISTICS):
        if not path.is_file():
            raise FileNotFoundError(
                f"No generator at {folder}: {path.name} is missing. "
                "Give a folder that data_scripts/train_offline_networks.py wrote."
            )
    transformer = PixArtTransformer2DModel.from_pretrained(
        folder / TRANSFORMER, torch_dtype=torch.float32
    )
    statistics = load_file(folder / STATISTICS)
    return GeneratorNetwork(transformer, statistics["mean"], statistics["std"])


def save_generator_network(network: GeneratorNetwork, folder: Path) -> None:
    """Writes the transformer in diffusers' layout (float16) and the statistics beside it."""
    network.transformer.half().save_pretrained(folder / TRANSFORMER)
    with atomic_path(folder / STATISTICS) as temporary:
        save_file({"mean": network.mean, "std": network.std}, temporary)


def generator_weights(folder: Path) -> Path:
    """Where a generator's weights lie."""
    return folder / TRANSFORMER / "diffusion_pytorch_model.safetensors"
