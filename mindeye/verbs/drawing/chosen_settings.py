"""With what is drawn: as the command line says, and for the rest as it was published."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mindeye.models.architecture import read_architecture
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.quirks import Quirks
from mindeye.reconstruction.generators.catalogue import (
    OFFLINE,
    PUBLISHED_GENERATOR_OF,
    facts_of,
    fitting_generator,
)
from mindeye.reconstruction.generators.hub_cache import folders_of
from mindeye.reconstruction.generators.token_fit import product
from mindeye.reconstruction.run_networks import form_of
from mindeye.reconstruction.settings import ReconstructionConfig, drawing_settings
from mindeye.run import RunFolder

NAME_OF = {"mindeye1": "MindEye1", "mindeye2": "MindEye2"}
RECIPE_OF = {
    "mindeye1": "train/configs/mindeye1_subj01.yaml",
    "mindeye2": "train/configs/mindeye2_finetune_40_sessions.yaml",
}


def settings_for(
    run_path: Path, compat: str | None, given: Mapping[str, Any]
) -> ReconstructionConfig:
    """What is given, and for the rest what the system published that `compat` or the run names.

    A generator that is not given is the published one of the run's tokens, else the offline one;
    without a system to follow, it draws with its own defaults.

    Raises:
        FileNotFoundError: this is no run folder.
        LookupError: an unknown system or generator.
        ValueError: a value out of its range.
    """
    generator = given.get("generator") or fitting_or_offline(run_path)
    return replace(drawing_settings(system_of(run_path, compat), generator), **given)


def settings_at_hand(
    run_path: Path,
    compat: str | None,
    given: Mapping[str, Any],
    *,
    source: Path | None,
    clip: Path | None,
) -> ReconstructionConfig:
    """The same for a verb that has more to give than pictures: it chooses what can draw here.

    Args:
        source: folder of the generator's weights; None: they must lie in the hub's cache.
        clip: of a converted run, which draws nothing without one.
    """
    generator = generator_at_hand(run_path, source, clip)
    return settings_for(run_path, compat, {"generator": generator, **given})


def system_of(run_path: Path, compat: str | None) -> str:
    """The published system that is followed: that of the command line, else of the run."""
    return Quirks(compat=compat or RunFolder(path=run_path).quirks().compat).compat


def fitting_or_offline(run_path: Path) -> str:
    """The generator for the tokens that a run decodes.

    Raises:
        FileNotFoundError: this is no run folder.
    """
    provenance = RunFolder(path=run_path).provenance()
    if not (run_path / ARCHITECTURE_FILE).is_file():
        return OFFLINE  # refused with its reason when it is opened
    shape = read_architecture(run_path / ARCHITECTURE_FILE).token_shape
    return fitting_generator(shape, form_of(provenance, shape)) or OFFLINE


def generator_at_hand(run_path: Path, source: Path | None, clip: Path | None) -> str:
    """The generator for the tokens that a run decodes, if it can draw here; else the offline one.

    Args:
        source, clip: see `settings_at_hand`.
    """
    name = fitting_or_offline(run_path)
    if RunFolder(path=run_path).provenance()["networks"] is None and clip is None:
        return OFFLINE
    try:
        folders_of(name, source)
    except FileNotFoundError:
        return OFFLINE if source is None else name
    return name


def told_of_generator(
    run_path: Path,
    compat: str | None,
    config: ReconstructionConfig,
    given: Mapping[str, Any],
    *,
    strengths: bool = False,
) -> Iterator[str]:
    """Which generator draws with which numbers, and why not the published one.

    Args:
        given: what stands on the command line.
        strengths: whether several are drawn.
    """
    told = f"{config.generator} draws: {config.steps} steps, guidance {config.guidance:g}"
    yield told if strengths else f"{told}, strength {config.strength:g}"
    published = PUBLISHED_GENERATOR_OF.get(system := system_of(run_path, compat))
    if published in (None, config.generator) or "generator" in given:
        return
    facts = facts_of(published)
    shape = read_architecture(run_path / ARCHITECTURE_FILE).token_shape
    form = form_of(RunFolder(path=run_path).provenance(), shape)
    yield (
        f"{NAME_OF[system]} draws with {published}, which takes {product(facts.token_shape)} "
        f"tokens ({facts.form}) of {facts.clip}; this run decodes {product(shape)} ({form}). To "
        f"draw with it, train as {RECIPE_OF[system]} does."
    )
