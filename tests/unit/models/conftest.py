"""Small decoders of every kind."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from mindeye.config import to_mapping
from mindeye.models.architecture import write_architecture
from mindeye.models.backbone import BackboneConfig
from mindeye.models.decoder import Decoder, DecoderConfig
from mindeye.models.low_level import LowLevelConfig
from mindeye.models.low_level_network import LowLevelPathConfig, PublishedLowLevelConfig
from mindeye.models.mixer_backbone import MixerBackboneConfig
from mindeye.models.prior import PriorConfig
from mindeye.models.published_prior import PublishedPriorConfig
from mindeye.models.saved import ARCHITECTURE_FILE
from mindeye.models.token_head import LowRankHeadConfig, TokenCodeHeadConfig, WindowHeadConfig
from mindeye.quirks import Quirks
from mindeye.run import RunFolder

OURS = DecoderConfig(
    backbone=BackboneConfig(width=12, num_blocks=1),
    contrastive_width=10,
    prior=PriorConfig(depth=1, head_width=8),
    low_level=LowLevelConfig(base_channels=8),
)
LOW_RANK = replace(OURS, token_head=LowRankHeadConfig(rank=3))
WINDOW = replace(OURS, token_head=WindowHeadConfig(window=5))
TOKEN_CODE = replace(OURS, token_head=TokenCodeHeadConfig(code_width=2))
MINDEYE1 = DecoderConfig(
    backbone=BackboneConfig(width=6, num_blocks=2),
    contrastive_width=5,
    prior=PublishedPriorConfig(
        depth=3, num_heads=3, head_width=4, mlp_ratio=2, coarse_epsilon=True
    ),
    low_level=PublishedLowLevelConfig(
        base_channels=8,
        base_side=2,
        block_channels=(32, 64),
        map_width=9,
        path=LowLevelPathConfig(width=7, num_blocks=3),
    ),
)
MINDEYE2 = DecoderConfig(
    backbone=MixerBackboneConfig(width=6, num_blocks=2, keep_idle=True),
    contrastive_width=10,
    prior=PublishedPriorConfig(depth=2, num_heads=2, head_width=6, scale=1.0, coarse_epsilon=True),
    low_level=PublishedLowLevelConfig(
        base_channels=8, base_side=1, dropout=0.3, block_channels=(32, 32), map_width=9
    ),
)
ONE_TOKEN = replace(
    MINDEYE1, prior=replace(MINDEYE1.prior, num_padding=3, train_times=20), low_level=None
)
WITHOUT_IDLE = replace(MINDEYE2, backbone=replace(MINDEYE2.backbone, keep_idle=False))
# Kind -> configuration, voxels of each subject, (tokens, width), (channels, rows, columns).
DECODERS = {
    "ours": (OURS, {1: 7, 5: 9}, (5, 16), (4, 8, 8)),
    "low rank": (LOW_RANK, {1: 7}, (5, 16), (4, 8, 8)),
    "window": (WINDOW, {1: 7}, (5, 16), (4, 8, 8)),
    "token code": (TOKEN_CODE, {1: 7}, (5, 16), (4, 8, 8)),
    "mindeye1": (MINDEYE1, {1: 11}, (4, 10), (4, 4, 4)),
    "1 x 768": (ONE_TOKEN, {1: 11}, (1, 10), (4, 64, 64)),
    "mindeye2": (WITHOUT_IDLE, {5: 11, 2: 13}, (4, 10), (4, 2, 2)),
    "mindeye2 with idle mixer": (MINDEYE2, {5: 11, 2: 13}, (4, 10), (4, 2, 2)),
}


@pytest.fixture(params=DECODERS)
def kind(request) -> str:
    """Each kind of decoder."""
    return request.param


@pytest.fixture
def small_decoder() -> Callable[[str], Decoder]:
    """Kind -> a new decoder, always the same."""

    def of_kind(kind: str) -> Decoder:
        config, num_voxels_of, token_shape, latent_shape = DECODERS[kind]
        torch.manual_seed(0)
        decoder = Decoder(
            config,
            num_voxels_of=num_voxels_of,
            token_shape=token_shape,
            latent_shape=latent_shape,
        ).eval()
        if isinstance(config.backbone, MixerBackboneConfig):
            for scalar in decoder.backbone.scalars:
                torch.nn.init.normal_(scalar.bias)
        return decoder

    return of_kind


TRAINED = {
    "paths": {"data": ["/home/me/prepared"]},
    "networks": {"clip": "a CLIP", "vae": "a VAE"},
    "data": [{"subject": 1, "roi": "nsdgeneral", "sessions": [1, 2, 3]}],
    "simulated": None,
}
SIMULATED = {**TRAINED, "simulated": {"seed": 5}}
CONVERTED = {
    "converted": {"family": "mindeye2", "files": [{"name": "last.pth", "sha256": "abc"}]},
    "quirks": to_mapping(Quirks(compat="mindeye2").resolved()),
    "data": [],
    "networks": None,
}
PROVENANCES = {"trained": TRAINED, "simulated": SIMULATED, "converted": CONVERTED}


@pytest.fixture
def new_run(tmp_path, small_decoder, tiny_experiment):
    """(kind of decoder, `trained`, `simulated` or `converted`) -> a run that has ended."""

    def make(kind: str, provenance: str):
        run = RunFolder(path=tmp_path / "run")
        run.begin(tiny_experiment, PROVENANCES[provenance])
        decoder = small_decoder(kind)
        write_architecture(run.path / ARCHITECTURE_FILE, decoder.architecture)
        (run.path / "bundle" / "subj01").mkdir(parents=True)
        (run.path / "bundle" / "subj01" / "meta.json").write_text('{"num_voxels": 7}')
        run.finish(decoder.state_dict())
        return run.path

    return make
