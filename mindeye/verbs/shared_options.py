"""Options that several verbs have; imports nothing that is slow."""

import argparse
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from mindeye.quirks import PUBLISHED
from mindeye.reconstruction.generators.catalogue import CATALOGUE
from mindeye.reconstruction.generators.execution import (
    DTYPES,
    OFFLOADS,
    SLICINGS,
    GeneratorExecution,
)
from mindeye.reconstruction.given_networks import GivenNetworks
from mindeye.reconstruction.settings import SELECTIONS, ReconstructionConfig
from mindeye.verbs.argument_types import seed_number

SAMPLER_NAMES = "ddim, ancestral, sde-dpmsolver++, ddpm, mindeye2-ddim, dpmsolver++ or unipc"
NOT_NAMED = "of a converted run, which does not name it: the folder of its"
# What `given_generator` says where nothing is given.
NOT_GIVEN = {"generator_source": None, "execution": GeneratorExecution()}


def given_settings(options: argparse.Namespace) -> dict[str, Any]:
    """Fields of `ReconstructionConfig` that stand on the command line."""
    names = [field.name for field in fields(ReconstructionConfig) if field.name != "quirks"]
    found = {name: getattr(options, name) for name in names}
    return {name: value for name, value in found.items() if value is not None}


def given_generator(options: argparse.Namespace) -> dict[str, Any]:
    """What the functions of the verbs take of `add_generator`."""
    execution = GeneratorExecution(
        dtype=options.generator_dtype,
        offload=options.offload,
        slicing=options.slicing,
        compile=options.compile,
    )
    return {"generator_source": options.generator_source, "execution": execution}


def given_quirks(options: argparse.Namespace) -> dict[str, Any]:
    """What the functions of the verbs take of --compat and --quirks."""
    return {"compat": options.compat, "quirk_settings": options.quirks}


def add_verb(verbs, name: str, about: str, example: str) -> argparse.ArgumentParser:
    verb = verbs.add_parser(
        name,
        help=about,
        description=about,
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verb.add_argument("--debug", action="store_true", help="show tracebacks")
    return verb


def add_run(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("run", type=Path, help="the run folder of `mindeye train`")


def add_settings(
    verb: argparse.ArgumentParser, strength: Callable[[str], Any] = float, more: str = ""
) -> None:
    """Every field of `ReconstructionConfig`.

    Args:
        strength: reads --strength, where a verb takes more than a number; `more` says so.
    """
    # Without values of their own: what is not given is as published where --compat says so.
    ours = ReconstructionConfig()
    names, own = ", ".join(CATALOGUE), "; of a published generator as published"
    for name, about in (
        ("generator", f"draws the pictures: {names}; for tokens of a published one, that one"),
        ("candidates", "of each image"),
        ("selection", f"among the candidates, by the scan alone: {', '.join(SELECTIONS)}"),
        ("steps", f"of the generator{own}"),
        ("sampler", f"of the prior: {SAMPLER_NAMES}"),
        ("prior-steps", "of the prior"),
        ("prior-guidance", "how far the prior leans on the brain; 1: plainly"),
        ("guidance", f"how far the generator leans on the image tokens{own}"),
        ("strength", f"of img2img; 1: from noise{own}{more}"),
    ):
        default = getattr(ours, name.replace("-", "_"))
        text = f"{about} (default: {default})"
        kind = strength if name == "strength" else type(default)
        verb.add_argument(f"--{name}", type=kind, help=text)


def add_generator(verb: argparse.ArgumentParser, required: str | None = None) -> None:
    """Where the weights of --generator are, and how it runs.

    Args:
        required: what must be given as --generator-source; None: it may be left out.
    """
    where = "folder of the generator's weights (default: the hub's cache; nothing is fetched)"
    verb.add_argument(
        "--generator-source",
        type=Path,
        metavar="FOLDER",
        help=required or where,
        required=required is not None,
    )
    ours = GeneratorExecution()
    for name, default, choices, about in (
        ("generator-dtype", ours.dtype, DTYPES, "16 bits halve its memory"),
        (
            "offload",
            ours.offload,
            OFFLOADS,
            "its networks or layers wait on the CPU for their turn",
        ),
        ("slicing", ours.slicing, SLICINGS, "less memory: attention in slices; VAE in tiles"),
    ):
        text = f"{about} (default: {default})"
        verb.add_argument(f"--{name}", default=default, choices=choices, help=text)
    compiled = "torch.compile the generator: minutes at first, then faster"
    verb.add_argument("--compile", action="store_true", help=compiled)


def add_networks(verb: argparse.ArgumentParser) -> None:
    """What a converted run does not name."""
    add_clip(verb)
    verb.add_argument(
        "--vae", type=Path, metavar="FOLDER", help=f"{NOT_NAMED} low-level head's VAE"
    )


def add_clip(verb: argparse.ArgumentParser) -> None:
    """The same for verbs that draw nothing and compare no latents."""
    verb.add_argument("--clip", type=Path, metavar="FOLDER", help=f"{NOT_NAMED} CLIP")


def given_networks(options: argparse.Namespace) -> dict[str, Any]:
    """What the functions of the verbs take of `add_networks` or `add_clip`."""
    return {"given": GivenNetworks(clip=options.clip, vae=getattr(options, "vae", None))}


def add_quirks(
    verb: argparse.ArgumentParser, example: str, otherwise: str = "as the run was trained"
) -> None:
    system = f"as this published system does it; default: {otherwise}"
    verb.add_argument("--compat", choices=tuple(PUBLISHED), help=system)
    switch = f"single switches on top, for example {example}"
    verb.add_argument("--quirks", nargs="+", default=(), metavar="NAME=on|off", help=switch)


def add_seed(verb: argparse.ArgumentParser, what: str) -> None:
    verb.add_argument("--seed", type=seed_number, default=0, help=f"{what} (default: 0)")


def add_subject(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--subject", type=int, help="default: the run's first")


def add_data(verb: argparse.ArgumentParser) -> None:
    moved = "the prepared folder, where it has moved; a converted run always needs one"
    verb.add_argument("--data", type=Path, help=moved)


def add_device(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, mps ... (default: cpu)")
