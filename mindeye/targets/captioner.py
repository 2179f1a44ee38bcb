"""A frozen captioner (GIT): a picture, or what its vision encoder would say of it, -> words."""

from dataclasses import dataclass
from pathlib import Path

import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError
from jaxtyping import Float
from open_clip import OPENAI_DATASET_MEAN, OPENAI_DATASET_STD
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoConfig, AutoTokenizer, GitForCausalLM, PreTrainedTokenizerBase
from transformers.modeling_outputs import BaseModelOutput

from mindeye.targets.clip_folder import weights_hash

PUBLISHED = "microsoft/git-large-coco"
ABOUT_PUBLISHED = "1.6 GB, MIT"
WEIGHTS_FILE = "model.safetensors"
WANTED_FILES = ("*.json", "vocab.txt", WEIGHTS_FILE)
# As MindEye2: the first token, which begins each caption, counts.
MAX_LENGTH = 20


class HandedOn(nn.Module):
    """Stands in the place of the vision encoder: takes its output for the picture."""

    def forward(
        self,
        pixel_values: Float[Tensor, "images 1 vision_tokens vision_width"],
        interpolate_pos_encoding: bool = False,
    ) -> BaseModelOutput:
        return BaseModelOutput(last_hidden_state=pixel_values.squeeze(1))


@dataclass(frozen=True, kw_only=True)
class Captioner:
    """GIT (arXiv:2205.14100), cut in two behind its vision encoder."""

    encoder: nn.Module
    writer: GitForCausalLM
    """All of it but the encoder."""
    tokenizer: PreTrainedTokenizerBase
    identity: str

    @property
    def side(self) -> int:
        """Of the pictures, in pixels."""
        return self.writer.config.vision_config.image_size

    @property
    def token_shape(self) -> tuple[int, int]:
        """(tokens, width) of one picture behind the vision encoder."""
        vision = self.writer.config.vision_config
        return (vision.image_size // vision.patch_size) ** 2 + 1, vision.hidden_size

    @torch.inference_mode()
    def vision_tokens(
        self, images: Float[Tensor, "images 3 rows columns"]
    ) -> Float[Tensor, "images vision_tokens vision_width"]:
        """What the vision encoder makes of RGB images in [0, 1] of any size."""
        if images.shape[-2:] != (self.side, self.side):
            images = nn.functional.interpolate(
                images, size=(self.side, self.side), mode="bicubic", antialias=True
            ).clamp(0, 1)
        mean, std = (
            images.new_tensor(value).view(3, 1, 1)
            for value in (OPENAI_DATASET_MEAN, OPENAI_DATASET_STD)
        )
        return self.encoder((images - mean) / std).last_hidden_state

    @torch.inference_mode()
    def captions(self, tokens: Float[Tensor, "images vision_tokens vision_width"]) -> list[str]:
        """The likeliest words one after the other, at most `MAX_LENGTH`: always the same.

        A caption does not end before its first word, as it might with tokens of no picture.
        """
        written = self.writer.generate(
            pixel_values=tokens.unsqueeze(1),
            max_length=MAX_LENGTH,
            min_new_tokens=1,
            do_sample=False,
            num_beams=1,
        )
        texts = self.tokenizer.batch_decode(written, skip_special_tokens=True)
        return [one.strip() for one in texts]


def load_captioner(source: str | None = None, device: torch.device | str = "cpu") -> Captioner:
    """Opens a folder in transformers' layout, or a repository that lies in the hub's cache.

    Args:
        source: None takes the published one. Nothing is ever fetched.

    Raises:
        FileNotFoundError: neither is there; says what to fetch, and how.
        ValueError: another model than GIT, or weights that are damaged or absent.
    """
    folder = _folder_of(source or PUBLISHED)
    kind = AutoConfig.from_pretrained(folder, local_files_only=True).model_type
    if kind != "git":
        raise ValueError(
            f"{folder} holds a model of the type {kind}, not git. Give a captioner such as "
            f"{PUBLISHED}."
        )
    try:
        model, found = GitForCausalLM.from_pretrained(
            folder,
            local_files_only=True,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except SafetensorError as error:
        raise ValueError(
            f"{folder / WEIGHTS_FILE} is damaged ({error}). Fetch it again."
        ) from error
    if found["missing_keys"]:
        raise ValueError(
            f"{folder / WEIGHTS_FILE} lacks {len(found['missing_keys'])} weights of its captioner, "
            f"such as `{min(found['missing_keys'])}`. Fetch it again."
        )
    model = model.to(device).eval().requires_grad_(False)
    encoder, model.git.image_encoder = model.git.image_encoder, HandedOn()
    return Captioner(
        encoder=encoder,
        writer=model,
        tokenizer=AutoTokenizer.from_pretrained(folder, local_files_only=True),
        identity=f"{(source or PUBLISHED).rstrip('/').rsplit('/', 1)[-1]}-"
        f"{weights_hash(folder / WEIGHTS_FILE)}",
    )


def _folder_of(source: str) -> Path:
    """A folder as it is given, else what the hub's cache has of that repository."""
    folder = Path(source)
    if not folder.is_dir():
        try:
            folder = Path(
                snapshot_download(source, local_files_only=True, allow_patterns=WANTED_FILES)
            )
        except (LocalEntryNotFoundError, HFValidationError) as error:
            raise FileNotFoundError(_absent(source)) from error
    for name in ("config.json", WEIGHTS_FILE, "tokenizer_config.json"):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"No captioner at {folder}: {name} is missing. {_command(source)}"
            )
    return folder


def _absent(source: str) -> str:
    return (
        f"The captioner {source} is neither a folder nor in the hub's cache (HF_HOME). "
        f"{_command(source)}"
    )


def _command(source: str) -> str:
    repository = PUBLISHED if Path(source).is_dir() else source
    about = f" ({ABOUT_PUBLISHED})" if repository == PUBLISHED else ""
    patterns = " ".join(f"--include '{one}'" for one in WANTED_FILES)
    return f"Fetch it{about} with `hf download {repository} {patterns}`."
