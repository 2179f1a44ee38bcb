"""What the folder of a CLIP tells before its weights are in memory: tokens and identity."""

from pathlib import Path

from open_clip import CLIPVisionCfg
from safetensors import SafetensorError, safe_open

from mindeye.files import read_json, sha256_of

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"
PROJECTION = "visual.proj"
"""Its shape is (width, projected width)."""


def require_clip(folder: Path) -> None:
    """Refuses a folder without a CLIP.

    Raises:
        FileNotFoundError: names the file that is missing.
    """
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"No CLIP at {folder}: {name} is missing. "
                "Give a folder in open_clip's local layout, or leave the option out."
            )


def clip_identity(folder: Path, *, washed_out: bool, antialias: bool, form: str) -> str:
    """See `ClipTarget.identity`; reads the whole file of weights, block by block."""
    return (
        f"{folder.name}-{weights_hash(folder / WEIGHTS)}"
        f"{'+washed-out' if washed_out else ''}{'' if antialias else '+aliased'}"
        f"{'' if form == 'projected' else f'+{form}'}"
    )


def weights_hash(path: Path) -> str:
    """The first 12 hex digits of a weights file's SHA-256."""
    return sha256_of(path)[:12]


def token_shape_of(
    form: str, *, num_patches: int, width: int, projected_width: int
) -> tuple[int, int]:
    """(tokens, width) of one image.

    Args:
        form: a key of `mindeye.targets.clip.FORMS`.
    """
    return {
        "projected": (num_patches + 1, projected_width),
        "patches": (num_patches, width),
        "embedding": (1, projected_width),
        "penultimate": (num_patches + 1, width),
    }[form]


def token_shape_in(folder: Path, form: str) -> tuple[int, int]:
    """(tokens, width) that the CLIP in a folder gives, from its configuration.

    Raises:
        FileNotFoundError: no CLIP there.
        ValueError: the file of weights is damaged, or another CLIP's.
    """
    require_clip(folder)
    try:
        model = read_json(folder / CONFIG)["model_cfg"]
        vision, projected = CLIPVisionCfg(**model["vision_cfg"]), model["embed_dim"]
    except (KeyError, TypeError) as error:
        raise ValueError(
            f"{folder / CONFIG} describes no CLIP of open_clip ({error}). Fetch it again."
        ) from error
    rows, columns = (
        side // patch for side, patch in zip(_both(vision.image_size), _both(vision.patch_size))
    )
    told, held = (vision.width, projected), _shape_in(folder / WEIGHTS)
    if held not in (None, told):
        raise ValueError(
            f"{folder / CONFIG} tells of a projection of {told[0]} x {told[1]}, but {WEIGHTS} "
            f"beside it holds {' x '.join(map(str, held))}. Were two CLIPs mixed? Fetch it again."
        )
    return token_shape_of(form, num_patches=rows * columns, width=told[0], projected_width=told[1])


def _shape_in(weights: Path) -> tuple[int, ...] | None:
    """Of the projection, from the file's header; None where it has another name."""
    try:
        with safe_open(weights, framework="pt") as opened:
            names = opened.keys()
            if PROJECTION not in names:
                return None
            return tuple(opened.get_slice(PROJECTION).get_shape())
    except SafetensorError as error:
        raise ValueError(f"{weights} is damaged ({error}). Fetch it again.") from error


def _both(size: int | tuple[int, int] | list[int]) -> tuple[int, int]:
    """Rows and columns, as open_clip reads a size."""
    return (size, size) if isinstance(size, int) else tuple(size)
