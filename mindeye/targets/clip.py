"""A frozen CLIP: images -> the tokens that the decoder learns, texts -> embeddings."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import open_clip
import torch
from jaxtyping import Float
from torch import Tensor, nn

from mindeye.targets.clip_folder import CONFIG, clip_identity, require_clip, token_shape_of

ASSETS = Path(__file__).parent.parent / "assets"
OFFLINE_CLIP = ASSETS / "scenes-clip"


@dataclass(frozen=True, kw_only=True)
class ClipTarget:
    """An open_clip model and what of it the decoder learns."""

    model: nn.Module
    tokenizer: open_clip.SimpleTokenizer
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    identity: str
    """Name, weights hash and what differs from the defaults below; keys the embedding cache."""
    form: str = "projected"
    """A key of `FORMS`."""
    washed_out: bool = False
    """Values of [0, 1] are taken for values of [-1, 1]: pictures are pale, without black.

    MindEye2's embedder (sgm's FrozenOpenCLIPImageEmbedder, called with [0, 1]) does so, and its
    released weights know only tokens of such pictures.
    """
    antialias: bool = True
    """Whether larger pictures are filtered before they are made smaller; MindEye1's torchvision
    (0.15) did not filter."""

    @property
    def side(self) -> int:
        """Input side in pixels."""
        return self.model.visual.image_size[0]

    @property
    def token_shape(self) -> tuple[int, int]:
        """(tokens, width) of one image."""
        visual = self.model.visual
        rows, columns = visual.grid_size
        width, projected_width = visual.proj.shape
        return token_shape_of(
            self.form, num_patches=rows * columns, width=width, projected_width=projected_width
        )

    def tokens(
        self, images: Float[Tensor, "images 3 rows columns"]
    ) -> Float[Tensor, "images tokens width"]:
        """Tokens of RGB images in [0, 1] of any size."""
        return FORMS[self.form](self.model.visual, self.preprocess(images))

    def preprocess(
        self, images: Float[Tensor, "images 3 height width"]
    ) -> Float[Tensor, "images 3 side side"]:
        """Resizes (bicubic) and normalises images in [0, 1]."""
        if images.shape[-2:] != (self.side, self.side):
            images = torch.nn.functional.interpolate(
                images, size=(self.side, self.side), mode="bicubic", antialias=self.antialias
            ).clamp(0, 1)
        if self.washed_out:
            images = (images + 1) / 2
        mean, std = (images.new_tensor(value).view(3, 1, 1) for value in (self.mean, self.std))
        return (images - mean) / std

    def text_embeddings(self, texts: list[str]) -> Float[Tensor, "texts width"]:
        """Unit vectors of texts, in the space of the first (CLS) token."""
        device = self.model.visual.proj.device
        return self.model.encode_text(self.tokenizer(texts).to(device), normalize=True)


def last_tokens(
    visual: nn.Module, pixels: Float[Tensor, "images 3 side side"]
) -> Float[Tensor, "images tokens width"]:
    """Last-layer tokens of an open_clip VisionTransformer, CLS first, after ln_post."""
    output = visual.forward_intermediates(
        pixels,
        indices=1,
        normalize_intermediates=True,
        intermediates_only=True,
        output_fmt="NLC",
        output_extra_tokens=True,
    )
    prefix, patches = output["image_intermediates_prefix"][-1], output["image_intermediates"][-1]
    return torch.cat([prefix, patches], dim=1)


def projected_tokens(
    visual: nn.Module, pixels: Float[Tensor, "images 3 side side"]
) -> Float[Tensor, "images tokens width"]:
    """All tokens in the space shared with text, divided by the norm of the image's CLS token.

    Source: MindEye1 (arXiv:2305.18274), A.2.
    """
    raw = last_tokens(visual, pixels) @ visual.proj
    return raw / raw[:, :1].norm(dim=-1, keepdim=True)


def patch_tokens(
    visual: nn.Module, pixels: Float[Tensor, "images 3 side side"]
) -> Float[Tensor, "images tokens width"]:
    """The patches' tokens alone, not projected (MindEye2, arXiv:2403.11207, open_clip 2.24)."""
    return last_tokens(visual, pixels)[:, 1:]


def embedding_token(
    visual: nn.Module, pixels: Float[Tensor, "images 3 side side"]
) -> Float[Tensor, "images 1 width"]:
    """The image's embedding as its only token, at its own length (MindEye1's 1 x 768 variant)."""
    return last_tokens(visual, pixels)[:, :1] @ visual.proj


def penultimate_tokens(
    visual: nn.Module, pixels: Float[Tensor, "images 3 side side"]
) -> Float[Tensor, "images tokens width"]:
    """All tokens before the last block, CLS first: no ln_post, no projection (IP-Adapter-Plus).

    Source: IP-Adapter (arXiv:2308.06721), of whose "plus" models transformers'
    `hidden_states[-2]` is the input.
    """
    output = visual.forward_intermediates(
        pixels,
        indices=[len(visual.transformer.resblocks) - 2],
        stop_early=True,
        intermediates_only=True,
        output_fmt="NLC",
        output_extra_tokens=True,
    )
    prefix, patches = output["image_intermediates_prefix"][-1], output["image_intermediates"][-1]
    return torch.cat([prefix, patches], dim=1)


FORMS: Mapping[str, Callable[[nn.Module, Tensor], Tensor]] = MappingProxyType(
    {
        "projected": projected_tokens,
        "patches": patch_tokens,
        "embedding": embedding_token,
        "penultimate": penultimate_tokens,
    }
)


def load_clip(
    source: str | Path | None = None,
    device: torch.device | str = "cpu",
    *,
    washed_out: bool = False,
    antialias: bool = True,
    form: str = "projected",
) -> ClipTarget:
    """Loads a CLIP from a folder (open_clip_config.json + open_clip_model.safetensors).

    None takes the offline one.

    Raises:
        FileNotFoundError: the folder lacks one of the two files.
        LookupError: unknown form of tokens.
    """
    if form not in FORMS:
        raise LookupError(
            f"Unknown form of CLIP tokens `{form}`. Choose one of {', '.join(FORMS)}."
        )
    folder = Path(source or OFFLINE_CLIP)
    require_clip(folder)
    name = f"local-dir:{folder}"
    model = open_clip.create_model(name, device=device).eval().requires_grad_(False)
    settings = json.loads((folder / CONFIG).read_text())["preprocess_cfg"]
    return ClipTarget(
        model=model,
        tokenizer=open_clip.get_tokenizer(name),
        mean=tuple(settings["mean"]),
        std=tuple(settings["std"]),
        identity=clip_identity(folder, washed_out=washed_out, antialias=antialias, form=form),
        form=form,
        washed_out=washed_out,
        antialias=antialias,
    )
