"""What is wrong with a checkpoint, said by name."""

import difflib
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor

from mindeye.models.decoder import Decoder
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.nsd_layout import NSDGENERAL_VOXELS

NUM_NAMED = 3
READ_BY = {
    "MindEye1": "decoder_from_mindeye1(state_dict)",
    "MindEye2": "decoder_from_mindeye2(state_dict, subjects=...)",
    "MindEye1 low-level": "decoder_from_mindeye1(..., low_level=state_dict)",
}
# How the keys of a family begin, buffers left aside.
MARKS_OF = {
    "MindEye1": ("voxel2clip.", "net."),
    "MindEye2": ("ridge.", "backbone.", "diffusion_prior."),
    "MindEye1 low-level": ("lin0.", "mlp.", "lin1.", "norm.", "upsampler.", "maps_projector."),
}


def require_family(keys: Iterable[str], family: str) -> None:
    """Refuses the checkpoint of another family.

    Raises:
        ValueError: what it is, as far as its keys tell, and what reads that.
    """
    keys = list(keys)
    counts = {name: sum(key.startswith(marks) for key in keys) for name, marks in MARKS_OF.items()}
    if counts[family]:
        return
    likeliest = max(counts, key=counts.__getitem__)
    if counts[likeliest]:
        what, remedy = f"a {likeliest} checkpoint", f"Read it with {READ_BY[likeliest]}."
    else:
        what = f"no published MindEye checkpoint (first key: {keys[0] if keys else 'none'})"
        remedy = "Pass the mapping of keys to tensors, such as `checkpoint['model_state_dict']`."
    raise ValueError(f"These {len(keys)} tensors are {what}, not a {family} one. {remedy}")


def missing_key(key: str, keys: Iterable[str], family: str) -> LookupError:
    near = _nearest(key, keys)
    return LookupError(
        f"`{key}` is missing from this {family} checkpoint; nearest are {near}. "
        "Was it cut off, or written by another version of the code?"
    )


def require_same_keys(
    shapes: Mapping[str, tuple[int, ...]], expected: Mapping[str, tuple[int, ...]], family: str
) -> None:
    """Refuses keys that are missing, extra or misshapen.

    Raises:
        LookupError: missing or extra keys, with their number, and the nearest that are there.
        ValueError: misshapen ones, with both shapes.
    """
    missing = [key for key in expected if key not in shapes]
    extra = [key for key in shapes if key not in expected]
    if missing:
        error = missing_key(missing[0], shapes, family)
        more = f" {_count(missing)} missing and {_count(extra)} unknown." if missing[1:] else ""
        raise LookupError(f"{error}{more}")
    if extra:
        raise LookupError(
            f"{_count(extra)} not part of a {family} checkpoint; nearest to `{extra[0]}` are "
            f"{_nearest(extra[0], expected)}. Is this another variant of the network?"
        )
    wrong = [key for key in expected if shapes[key] != expected[key]]
    if wrong:
        named = "; ".join(
            f"`{key}` is {list(shapes[key])} instead of {list(expected[key])}"
            for key in wrong[:NUM_NAMED]
        )
        raise ValueError(
            f"{len(wrong)} tensors of this {family} checkpoint have a shape that does not fit the "
            f"others: {named}. Is it one whole checkpoint, not parts of two?"
        )


def require_fixed(state: Mapping[str, Tensor], fixed: Mapping[str, Tensor], family: str) -> None:
    """Refuses buffers that contradict the architecture; all of them may be left out.

    Raises:
        LookupError: some of them are left out.
        ValueError: another noise schedule or other rotary frequencies.
    """
    given = [key for key in fixed if key in state]
    absent = [key for key in fixed if key not in state]
    if given and absent:
        raise missing_key(absent[0], state, family)
    for key in given:
        if state[key].is_meta:
            continue
        values = state[key].detach().cpu().float()
        if not torch.allclose(values, fixed[key], rtol=1e-3, atol=1e-5):
            worst = (values - fixed[key]).abs().argmax()
            raise ValueError(
                f"`{key}` holds {values[worst]:.6g} at {worst}, but the published cosine schedule "
                f"and rotary frequencies give {fixed[key][worst]:.6g}. This network was trained "
                "otherwise and would be wrong in our sampler."
            )


def require_own_voxels(subject: int, num_voxels: int) -> None:
    """Refuses a ridge layer with the voxel count of another NSD subject; other ROIs pass.

    Raises:
        ValueError: whose voxels these are.
    """
    owner = subject_with_voxels(num_voxels)
    if owner not in (None, subject):
        raise ValueError(
            f"The ridge layer for subject {subject} has {num_voxels} voxels, which is subject "
            f"{owner}'s nsdgeneral (subject {subject} has {NSDGENERAL_VOXELS.get(subject)}). "
            "Name the subjects in the order of the checkpoint's ridge layers."
        )


def require_subjects(subjects: Sequence[int], num_ridges: int) -> None:
    """Refuses subjects that cannot be those of the checkpoint's ridge layers.

    Raises:
        ValueError: another number than layers, or one twice.
    """
    if len(subjects) != num_ridges or len(set(subjects)) != len(subjects):
        raise ValueError(
            f"The checkpoint has {num_ridges} ridge layers, but the subjects are {list(subjects)}. "
            "Name the subject of each layer once, in the checkpoint's order."
        )


def require_kind(decoder: Decoder, family: str, fits: bool) -> None:
    """Refuses to write a decoder of another architecture.

    Raises:
        ValueError: which parts it has.
    """
    config = decoder.config
    dense = config.token_head is None
    if not (fits and dense and isinstance(config.prior, PublishedPriorConfig)):
        compact = () if dense else (config.token_head,)
        parts = (config.backbone, *compact, config.prior, config.low_level)
        kinds = ", ".join(type(part).__name__ for part in parts)
        raise ValueError(
            f"A decoder of {kinds} is none of {family}'s architecture. "
            "Only decoders that are can be written in its form; ours are saved by `mindeye train`."
        )


def subject_with_voxels(num_voxels: int) -> int | None:
    """The NSD subject whose nsdgeneral has that many voxels."""
    subject_of = {count: subject for subject, count in NSDGENERAL_VOXELS.items()}
    return subject_of.get(num_voxels)


def _nearest(key: str, keys: Iterable[str]) -> str:
    found = difflib.get_close_matches(key, list(keys), n=NUM_NAMED, cutoff=0)
    return ", ".join(f"`{one}`" for one in found)


def _count(keys: list[str]) -> str:
    return f"{len(keys)} {'key is' if len(keys) == 1 else 'keys are'}"
