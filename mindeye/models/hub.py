"""Decoders to and from the Hugging Face hub: weights, architecture, provenance, voxels, card."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from huggingface_hub import ModelCard, PyTorchModelHubMixin, snapshot_download
from huggingface_hub.errors import HFValidationError, RepositoryNotFoundError
from safetensors import safe_open

from mindeye.files import atomic_folder, holds_something, read_json, write_json
from mindeye.models.architecture import read_architecture, write_architecture
from mindeye.models.hub_card import CARD_TEMPLATE, card_facts
from mindeye.models.meta_device import filled
from mindeye.run import read_weights, write_weights

Kind = TypeVar("Kind")

# The hub's own names, and those of a run folder.
DESCRIPTION, WEIGHTS = "config.json", "model.safetensors"
PROVENANCE, BUNDLE = "provenance.json", "bundle"
# All that is fetched: nothing that could run code.
_KINDS = ("json", "npy", "nii.gz")
PARTS = (DESCRIPTION, WEIGHTS, PROVENANCE, "README.md", *(f"{BUNDLE}/*.{kind}" for kind in _KINDS))


class OnHub(
    PyTorchModelHubMixin,
    library_name="mindeye",
    tags=["fmri", "brain-decoding"],
    model_card_template=CARD_TEMPLATE,
):
    """What makes a decoder of the hub's form, and back.

    The mixin would write the arguments of `__init__` itself, but it forgets of which kind a part
    is: it decodes dataclasses one level deep, drops keys that it does not know, and never asks
    `coders` about them. It would also fall back to pickled weights. So both directions are ours.
    """

    source: Path | None = None
    """The file that a decoder's weights were read from; provenance and voxels lie beside it."""

    def save_pretrained(
        self, save_directory: str | Path, *, repo_id: str | None = None, **settings: Any
    ) -> str | None:
        """Writes a new folder in the hub's form, whole or not at all.

        Args:
            repo_id: by default the name of the folder; used with `push_to_hub=True` only.
            settings: see `huggingface_hub.PyTorchModelHubMixin`.

        Raises:
            ValueError: the folder holds something.
            FileNotFoundError: the folder that this decoder was read from has gone.
        """
        folder = Path(save_directory)
        if holds_something(folder):
            raise ValueError(
                f"{folder} is not empty. Choose a new folder: card and voxels of another model "
                "must not stay beside these weights."
            )
        with atomic_folder(folder) as temporary:
            return super().save_pretrained(temporary, repo_id=repo_id or folder.name, **settings)

    def _save_pretrained(self, save_directory: Path) -> None:
        provenance = self._provenance()
        write_architecture(save_directory / DESCRIPTION, self.architecture)
        write_weights(save_directory / WEIGHTS, self.state_dict())
        if provenance is not None:
            write_json(save_directory / PROVENANCE, provenance)
        if self.source is not None and (self.source.parent / BUNDLE).is_dir():
            shutil.copytree(self.source.parent / BUNDLE, save_directory / BUNDLE)

    @classmethod
    def from_pretrained(
        cls: type[Kind],
        pretrained_model_name_or_path: str | Path,
        *,
        device: torch.device | str = "cpu",
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        force_download: bool = False,
        local_files_only: bool = False,
    ) -> Kind:
        """The decoder of a folder or a hub repository, in evaluation mode and frozen.

        Raises:
            FileNotFoundError: neither folder nor repository, or no decoder there.
            ValueError: a damaged file, another model, or weights that do not fit.
        """
        folder = Path(pretrained_model_name_or_path)
        if not folder.is_dir():
            folder = _downloaded(
                str(pretrained_model_name_or_path),
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                force_download=force_download,
                local_files_only=local_files_only,
            )
        description, path = folder / DESCRIPTION, folder / WEIGHTS
        for part in (description, path):
            if not part.is_file():
                raise FileNotFoundError(
                    f"{folder} holds no {part.name}, so no decoder in the hub's form. Is it a run? "
                    "Open that with `mindeye.models.saved.load_decoder`."
                )
        empty = partial(cls.of, read_architecture(description))
        decoder = filled(empty, read_weights(path), path, description)
        decoder.source = path
        return decoder.to(device)

    def generate_model_card(self, *args: Any, **facts: Any) -> ModelCard:
        """What this decoder is and where it comes from; `facts` replace what is found."""
        found = card_facts(self.architecture, self._provenance(), is_changed=self._is_changed())
        found["num_parameters"] = sum(one.numel() for one in self.parameters())
        return super().generate_model_card(*args, **{**found, **facts})

    def _provenance(self) -> dict[str, Any] | None:
        """Where the weights are from, without the places of one machine."""
        if self.source is None:
            return None
        if not self.source.is_file():
            raise FileNotFoundError(
                f"{self.source}, which this decoder was read from, has gone, and with it what is "
                "known of its origin. Restore it, or load the decoder from where it lies now."
            )
        path = self.source.parent / PROVENANCE
        if not path.is_file():
            return None
        return {key: value for key, value in read_json(path).items() if key != "paths"}

    def _is_changed(self) -> bool:
        """Whether the weights are others than those of the file that they were read from."""
        if self.source is None:
            return False
        with safe_open(self.source, framework="pt") as stored:
            return any(
                not torch.equal(stored.get_tensor(name), value.cpu())
                for name, value in self.state_dict().items()
            )


def _downloaded(name: str, **settings: Any) -> Path:
    try:
        return Path(snapshot_download(name, allow_patterns=list(PARTS), **settings))
    except (HFValidationError, RepositoryNotFoundError) as error:
        raise FileNotFoundError(
            f"{name} is neither a folder nor a repository of the hub that you may read. "
            "Write OWNER/NAME or an existing folder; log in with `hf auth login` if it is private."
        ) from error
