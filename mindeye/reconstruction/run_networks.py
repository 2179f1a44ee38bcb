"""Which CLIP and VAE a run belongs to: as its training names them, or as a user gives them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from mindeye.models.architecture import Architecture, read_architecture
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.reconstruction.generators.catalogue import CATALOGUE, PUBLISHED_GENERATOR_OF
from mindeye.reconstruction.generators.token_fit import product
from mindeye.reconstruction.given_networks import NONE_GIVEN, GivenNetworks
from mindeye.run import RunFolder
from mindeye.targets.clip import ClipTarget, load_clip
from mindeye.targets.vae import VaeTarget, load_vae


def is_unnamed(provenance: Mapping[str, Any]) -> bool:
    """Whether the run was converted, so that its file names neither CLIP nor VAE nor scans."""
    return provenance["networks"] is None


def provenance_with(folder: RunFolder, given: GivenNetworks) -> dict[str, Any]:
    """What a run tells of itself, and of a converted one what its user gives; nothing is opened.

    Raises:
        FileNotFoundError: this is no run folder.
        ValueError: the run names its own networks, or one is missing or of no use.
    """
    provenance = folder.provenance()
    if given == NONE_GIVEN:
        return provenance
    if not is_unnamed(provenance):
        named = provenance["networks"]
        option = "--clip" if given.clip else "--vae"
        raise ValueError(
            f"{folder.path} names its own networks: {named['clip']} and {named['vae']}. "
            f"Leave {option} out."
        )
    architecture = read_architecture(folder.path / ARCHITECTURE_FILE)
    _require_both(folder.path, architecture, given)
    places = {
        role: None if place is None else str(place.resolve())
        for role, place in (("clip", given.clip), ("vae", given.vae))
    }
    return {
        **provenance,
        "paths": {**places, "data": []},
        "clip_tokens": form_of(provenance, architecture.token_shape),
        "given": places,
    }


def form_of(provenance: Mapping[str, Any], token_shape: tuple[int, int]) -> str:
    """The form of a run's tokens, a key of `FORMS`; a converted one's follows from its family."""
    if not is_unnamed(provenance) or "clip_tokens" in provenance:
        return provenance.get("clip_tokens", "projected")
    if provenance["converted"]["family"] == "mindeye2":
        return "patches"
    return "embedding" if token_shape[0] == 1 else "projected"


def named_clip(provenance: Mapping[str, Any]) -> str:
    """Identity of a run's CLIP, or where the one lies that was given and is not open yet."""
    networks = provenance["networks"]
    return provenance["given"]["clip"] if networks is None else networks["clip"]


def about_given(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """For artefacts: where networks and scans lay that the run itself does not name."""
    if "given" not in provenance:
        return {}
    scans = provenance["paths"]["data"]
    return {"given": provenance["given"], **({"data": scans[0]} if scans else {})}


def given_of(about: Mapping[str, Any]) -> GivenNetworks:
    """Those with which an artefact was made."""
    places = about.get("given", {})
    return GivenNetworks(**{role: Path(one) for role, one in places.items() if one})


def open_networks(
    folder: RunFolder, provenance: dict[str, Any], device: torch.device | str = "cpu"
) -> tuple[dict[str, Any], ClipTarget, VaeTarget]:
    """CLIP and VAE of a run, and its provenance with both named.

    Args:
        provenance: of `provenance_with`.

    Raises:
        FileNotFoundError: one of them is gone.
        ValueError: not those of the training; or, of a converted run, such as its decoder cannot
            have been trained on.
    """
    clip = clip_of(folder, device, provenance)
    vae = load_vae(provenance["paths"]["vae"], device)
    found = {"clip": clip.identity, "vae": vae.identity}
    if "given" in provenance:
        _require_possible(folder.path, provenance, clip, vae)
        return {**provenance, "networks": found}, clip, vae
    require_same_networks(folder.path, provenance, found)
    return provenance, clip, vae


def clip_of(
    folder: RunFolder,
    device: torch.device | str = "cpu",
    provenance: Mapping[str, Any] | None = None,
) -> ClipTarget:
    """The CLIP that a run has learned, with the run's own quirks: its targets are a part of it.

    Args:
        provenance: where more is known than the run's own file tells.

    Raises:
        FileNotFoundError: this is no run folder, or its CLIP is gone.
    """
    quirks = folder.quirks()
    provenance = folder.provenance() if provenance is None else provenance
    return load_clip(
        provenance["paths"]["clip"],
        device,
        form=provenance.get("clip_tokens", "projected"),
        washed_out=quirks.washed_out_targets,
        antialias=not quirks.aliased_resizing,
    )


def require_same_networks(
    path: Path, provenance: Mapping[str, Any], found: Mapping[str, str]
) -> None:
    """Refuses other frozen networks than those of the training, but for the teacher of maps.

    Raises:
        ValueError: names both.
    """
    trained = {role: provenance["networks"][role] for role in ("clip", "vae")}
    if found != trained:
        raise ValueError(
            f"{path} was trained on targets of {trained}, but here are {dict(found)}. "
            "Restore those networks, or train again."
        )


def _require_both(path: Path, architecture: Architecture, given: GivenNetworks) -> None:
    has_low_level = architecture.decoder.low_level is not None
    if given.clip is None:
        raise ValueError(
            f"{path} does not tell which CLIP it was trained on either. Give it with --clip FOLDER."
        )
    if has_low_level and given.vae is None:
        raise ValueError(
            f"{path} also gives latents of {product(architecture.latent_shape)}, and does not tell "
            "of which VAE. Give it with --vae FOLDER."
        )
    if not has_low_level and given.vae is not None:
        raise ValueError(
            f"{path} has no low-level head, so there are no latents to decode. Leave --vae out."
        )


def _require_possible(
    path: Path, provenance: Mapping[str, Any], clip: ClipTarget, vae: VaeTarget
) -> None:
    architecture = read_architecture(path / ARCHITECTURE_FILE)
    wanted, place = architecture.token_shape, provenance["given"]["clip"]
    if clip.token_shape != wanted:
        trained = CATALOGUE[PUBLISHED_GENERATOR_OF[provenance["converted"]["family"]]].clip
        raise ValueError(
            f"{path} decodes {product(wanted)} tokens ({clip.form}), but those of {place} are "
            f"{product(clip.token_shape)}. Give --clip the CLIP of its training: {trained}."
        )
    latents, place = architecture.latent_shape, provenance["given"]["vae"]
    if place is not None and vae.latent_shape != latents:
        side = latents[-1] * vae.factor
        raise ValueError(
            f"{path} gives latents of {product(latents)}, but those of {place} are "
            f"{product(vae.latent_shape)}. Give --vae the VAE of its training: Stable Diffusion "
            f"1's, with a `sample_size` of {side} in its config.json."
        )
