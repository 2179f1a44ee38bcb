"""Image tokens of one network -> those that a captioner expects: a linear map on either axis."""

from collections.abc import Mapping
from pathlib import Path

import torch
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor, nn

from mindeye.files import atomic_path
from mindeye.models.checkpoint.file import open_checkpoint

# Their names in MindEye2's bigG_to_L_epoch8.pth.
TOKENS, WIDTH = "linear1", "linear2"


class CaptionConverter(nn.Module):
    """First over the axis of the tokens, then over their width (MindEye2, arXiv:2403.11207)."""

    def __init__(self, shape_in: tuple[int, int], shape_out: tuple[int, int]) -> None:
        super().__init__()
        self.shape_in, self.shape_out = shape_in, shape_out
        self.linear1 = nn.Linear(shape_in[0], shape_out[0])
        self.linear2 = nn.Linear(shape_in[1], shape_out[1])

    def forward(
        self, tokens: Float[Tensor, "images tokens width"]
    ) -> Float[Tensor, "images vision_tokens vision_width"]:
        return self.linear2(self.linear1(tokens.mT).mT)


def load_converter(path: Path) -> CaptionConverter:
    """Opens MindEye2's published file or one of `save_converter`; no code in it is run.

    Raises:
        FileNotFoundError: no such file.
        ValueError: another file.
    """
    if not path.exists():
        raise FileNotFoundError(
            f"There is no converter at {path}. MindEye2's is bigG_to_L_epoch8.pth (7 MB, in the "
            "hub's datasets/pscotti/mindeyev2); without --converter one is fitted to the run."
        )
    return _filled(open_checkpoint(path).weights, path)


def _filled(weights: Mapping[str, Tensor], path: Path) -> CaptionConverter:
    found = {name: tuple(weights[name].shape) for name in weights}
    names = {f"{one}.{kind}" for one in (TOKENS, WIDTH) for kind in ("weight", "bias")}
    sides = [found.get(f"{one}.weight", ()) for one in (TOKENS, WIDTH)]
    if found.keys() != names or any(len(one) != 2 for one in sides):
        raise ValueError(
            f"{path} holds {', '.join(sorted(found)[:4])}, not {', '.join(sorted(names))}: it is "
            "no converter of captions. Give MindEye2's bigG_to_L_epoch8.pth, or one fitted here."
        )
    (tokens_out, tokens_in), (width_out, width_in) = sides
    converter = CaptionConverter((tokens_in, width_in), (tokens_out, width_out))
    converter.load_state_dict({name: weights[name].float() for name in names})
    return converter.eval().requires_grad_(False)


def save_converter(converter: CaptionConverter, path: Path) -> None:
    """Writes what `load_converter` opens."""
    weights = {
        name: one.detach().cpu().contiguous() for name, one in converter.state_dict().items()
    }
    with atomic_path(path) as temporary:
        save_file(weights, temporary)
        temporary.chmod(0o644)


def fitted_converter(
    tokens: Float[Tensor, "images tokens width"],
    wanted: Float[Tensor, "images vision_tokens vision_width"],
    *,
    sweeps: int = 5,
    penalty: float = 1e-4,
) -> CaptionConverter:
    """The converter with the least squared error, by turns: each half has a closed form.

    With one half fixed the other is a ridge regression; `penalty` is its share of the mean
    variance. A step cannot make the (penalised) error larger. Starts from patch i giving token i,
    and the mean of the patches the token in front, where there is one more.

    Source: MindEye2 trained the same map by gradient; differs: closed form, no learning rate.
    """
    converter = CaptionConverter(tuple(tokens.shape[1:]), tuple(wanted.shape[1:]))
    converter = converter.to(tokens.device).requires_grad_(False)
    converter.linear1.weight.copy_(_patch_by_patch(*converter.linear1.weight.shape))
    converter.linear1.bias.zero_()
    for _ in range(sweeps):
        _fit_width(converter, tokens, wanted, penalty)
        _fit_tokens(converter, tokens, wanted, penalty)
    _fit_width(converter, tokens, wanted, penalty)
    return converter.eval()


def _fit_width(converter: CaptionConverter, tokens: Tensor, wanted: Tensor, penalty: float) -> None:
    """All rows of all images: mixed tokens and a one -> wanted tokens."""

    def rows():
        for one, told in zip(tokens, wanted, strict=True):
            mixed = converter.linear1(one.float().mT).mT
            yield torch.cat([mixed, torch.ones_like(mixed[:, :1])], dim=1), told.float()

    solution = _ridge(rows(), penalty)
    converter.linear2.weight.copy_(solution[:-1].mT)
    converter.linear2.bias.copy_(solution[-1])


def _fit_tokens(
    converter: CaptionConverter, tokens: Tensor, wanted: Tensor, penalty: float
) -> None:
    """All columns of all images: what the width's map makes of tokens and of a one -> wanted."""
    weight, bias = converter.linear2.weight, converter.linear2.bias

    def rows():
        for one, told in zip(tokens, wanted, strict=True):
            seen = torch.cat([one.float() @ weight.mT, weight.sum(1)[None]])
            yield seen.mT, (told.float() - bias).mT

    solution = _ridge(rows(), penalty)
    converter.linear1.weight.copy_(solution[:-1].mT)
    converter.linear1.bias.copy_(solution[-1])


def _ridge(rows, penalty: float) -> Float[Tensor, "inputs outputs"]:
    """Least squares over all rows, added up image by image in double precision."""
    gram, cross = 0.0, 0.0
    for inputs, outputs in rows:
        inputs, outputs = inputs.double(), outputs.double()
        gram = gram + inputs.mT @ inputs
        cross = cross + inputs.mT @ outputs
    # The intercept is last, and not held back.
    held = torch.full((len(gram),), penalty * gram.diagonal()[:-1].mean().item()).to(gram)
    held[-1] = 1e-9 * gram[-1, -1]
    return torch.linalg.solve(gram + torch.diag(held), cross).float()


def _patch_by_patch(num_out: int, num_in: int) -> Float[Tensor, "tokens_out tokens_in"]:
    places = torch.linspace(0, num_in - 1, num_out - (num_out == num_in + 1)).round().long()
    weights = torch.nn.functional.one_hot(places, num_in).float()
    if num_out == num_in + 1:
        weights = torch.cat([torch.full((1, num_in), 1 / num_in), weights])
    return weights
