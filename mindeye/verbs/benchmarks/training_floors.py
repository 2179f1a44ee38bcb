"""The least time that a training step can take on a GPU: products and bytes, nothing else."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from mindeye.config import load_yaml
from mindeye.models.architecture import DecoderConfig
from mindeye.models.decoder import Decoder
from mindeye.training.experiment import ExperimentConfig
from mindeye.verbs.benchmarks.training_variants import SIZES

# Measured on one H200: products in bfloat16, and memory.
FLOPS_PER_S, BYTES_PER_S = 790e12, 4.3e12
# Bytes that an update moves for each parameter, by how it is done.
BYTES_OF_UPDATE = {
    "float16, scaled, a loop over operations (published)": 102,
    "fused AdamW, bfloat16 autocast": 42,
    "bfloat16 gradients and copies": 28,
    "moments in 8 bit": 16,
}
# A product's way back is two products of its size.
BACKWARD = 2
CONFIGS = Path(__file__).parents[3] / "train" / "configs"


@dataclass(frozen=True, kw_only=True)
class Floor:
    name: str
    batch: int
    num_parameters: int
    flop: float
    """Of one step, forward and backward."""

    @property
    def compute_s(self) -> float:
        return self.flop / FLOPS_PER_S

    def seconds(self, bytes_per_parameter: float) -> float:
        """Products and update, one after the other."""
        return self.compute_s + bytes_per_parameter * self.num_parameters / BYTES_PER_S

    @property
    def lines(self) -> list[str]:
        """The same for the terminal."""
        head = (
            f"{self.name}, batch {self.batch}: {self.num_parameters / 1e6:,.1f} M parameters that "
            f"learn, {self.flop / 1e12:.2f} TFLOP a step = {1e3 * self.compute_s:.1f} ms"
        )
        return [head] + [
            f"  {1e3 * self.seconds(count):6.1f} ms with {count:3} bytes a parameter: {how}"
            for how, count in BYTES_OF_UPDATE.items()
        ]


def floors() -> list[Floor]:
    """MindEye1's step, dense and with a compact token head, and MindEye2's fine-tuning."""
    full = SIZES["full"]
    shape = (full.num_tokens, full.token_width)
    tuning = load_yaml(ExperimentConfig, CONFIGS / "mindeye2_finetune_40_sessions.yaml")
    return [
        floor_of("MindEye1", full.decoder(), full.voxels, shape, (4, 8, 8), 32),
        floor_of(
            "MindEye1, compact", full.decoder(is_compact=True), full.voxels, shape, (4, 8, 8), 32
        ),
        floor_of("MindEye2, 40 sessions", tuning.network, 15_724, (256, 1664), (4, 28, 28), 24),
    ]


def floor_of(
    name: str,
    config: DecoderConfig,
    voxels: int,
    token_shape: tuple[int, int],
    latent_shape: tuple[int, int, int],
    batch: int,
) -> Floor:
    """Counts the products of one forward on tensors without memory."""
    with torch.device("meta"):
        decoder = Decoder(
            config, num_voxels_of={1: voxels}, token_shape=token_shape, latent_shape=latent_shape
        )
        betas, times = torch.empty(batch, voxels), torch.zeros(batch, dtype=torch.long)
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            tokens = decoder(betas, 1).brain_tokens
            decoder.prior.denoise(torch.empty_like(tokens), times, tokens)
    learning = (one for part, one in decoder.named_parameters() if ".idle." not in part)
    return Floor(
        name=name,
        batch=batch,
        num_parameters=sum(one.numel() for one in learning),
        flop=(1 + BACKWARD) * counter.get_total_flops(),
    )
