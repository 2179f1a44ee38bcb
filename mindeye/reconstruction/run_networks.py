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
from mindeye.targets.clip_folder import clip_identity, token_shape_in
from mindeye.targets.vae import VaeTarget, load_vae


def is_unnamed(provenance: Mapping[str, Any]) -> bool:
    """Whether the run was converted, so that its file names neither CLIP nor VAE nor scans."""
    return provenance["networks"] is None


def provenance_with(
    folder: RunFolder, given: GivenNetworks, *, needs_vae: bool = True
) -> dict[str, Any]:
    """What a run tells of itself, and of a converted one what its user gives; nothing is opened.

    Args:
        needs_vae: whether anything is drawn, or compared by its latents.

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
    _require_clip(folder.path, given)
    places = {"clip": str(given.clip.resolve())}
    if needs_vae:
        _require_vae(folder.path, architecture, given)
        places["vae"] = None if given.vae is None else str(given.vae.resolve())
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
    vae, is_given = load_vae(provenance["paths"]["vae"], device), "given" in provenance
    if is_given:
        require_possible(folder, provenance, vae)
    clip = clip_of(folder, device, provenance)
    found = {"clip": clip.identity, "vae": vae.identity}
    if is_given:
        return {**provenance, "networks": found}, clip, vae
    require_same_networks(folder.path, provenance, found)
    return provenance, clip, vae


def with_given_named(folder: RunFolder, provenance: dict[str, Any]) -> dict[str, Any]:
    """A converted run's provenance with what was given named; its CLIP is hashed, not opened.

    Raises:
        FileNotFoundError, ValueError: see `open_networks`.
    """
    is_drawn = "vae" in provenance["given"]
    vae = load_vae(provenance["paths"]["vae"]) if is_drawn else None
    require_possible(folder, provenance, vae)
    form, place = provenance["clip_tokens"], Path(provenance["paths"]["clip"])
    found = {"clip": clip_identity(place, form=form, **_seen_as(folder))}
    return {**provenance, "networks": found if vae is None else {**found, "vae": vae.identity}}


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
        ValueError: it was converted, and none is given.
    """
    provenance = folder.provenance() if provenance is None else provenance
    require_named(folder.path, provenance)
    form = provenance.get("clip_tokens", "projected")
    return load_clip(provenance["paths"]["clip"], device, form=form, **_seen_as(folder))


def _seen_as(folder: RunFolder) -> dict[str, bool]:
    """How pictures were brought to the CLIP of a run."""
    quirks = folder.quirks()
    return {"washed_out": quirks.washed_out_targets, "antialias": not quirks.aliased_resizing}


def require_named(path: Path, provenance: Mapping[str, Any]) -> None:
    """Refuses a converted run to which nothing is given.

    Raises:
        ValueError: says where it can be given.
    """
    if is_unnamed(provenance) and "given" not in provenance:
        raise ValueError(
            f"{path} was converted from a published checkpoint and has no scans and no CLIP of its "
            "own. Give both with --data and --clip, where a verb has --clip; `mindeye decode` "
            "takes saved scans."
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


def _require_clip(path: Path, given: GivenNetworks) -> None:
    if given.clip is None:
        raise ValueError(
            f"{path} does not tell which CLIP it was trained on either. Give it with --clip FOLDER."
        )


def _require_vae(path: Path, architecture: Architecture, given: GivenNetworks) -> None:
    has_low_level = architecture.decoder.low_level is not None
    if has_low_level and given.vae is None:
        raise ValueError(
            f"{path} also gives latents of {product(architecture.latent_shape)}, and does not tell "
            "of which VAE. Give it with --vae FOLDER."
        )
    if not has_low_level and given.vae is not None:
        raise ValueError(
            f"{path} has no low-level head, so there are no latents to decode. Leave --vae out."
        )


def require_possible(
    folder: RunFolder, provenance: Mapping[str, Any], vae: VaeTarget | None
) -> None:
    """Refuses what a converted run's decoder cannot have learned; reads no weights of the CLIP.

    Args:
        vae: None where nothing is drawn.

    Raises:
        FileNotFoundError: no CLIP there.
        ValueError: other tokens, or latents of another shape.
    """
    architecture, places = read_architecture(folder.path / ARCHITECTURE_FILE), provenance["given"]
    wanted, form = architecture.token_shape, provenance["clip_tokens"]
    found = token_shape_in(Path(places["clip"]), form)
    if found != wanted:
        trained = CATALOGUE[PUBLISHED_GENERATOR_OF[provenance["converted"]["family"]]].clip
        raise ValueError(
            f"{folder.path} decodes {product(wanted)} tokens ({form}), but those of "
            f"{places['clip']} are {product(found)}. Give --clip the CLIP of its training: "
            f"{trained}."
        )
    latents = architecture.latent_shape
    if vae is not None and places["vae"] is not None and vae.latent_shape != latents:
        side = latents[-1] * vae.factor
        raise ValueError(
            f"{folder.path} gives latents of {product(latents)}, but those of {places['vae']} are "
            f"{product(vae.latent_shape)}. Give --vae the VAE of its training: Stable Diffusion "
            f"1's, with a `sample_size` of {side} in its config.json."
        )
