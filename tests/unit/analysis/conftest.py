"""A decoder without training: its embeddings are the scan itself."""

import pytest
import torch
from torch import nn

from mindeye.models.decoder import Decoder, DecoderOutput
from mindeye.types import RepeatBatch


class Identity(Decoder):
    """Tokens and embeddings are the betas, as one token."""

    def __init__(self) -> None:
        nn.Module.__init__(self)
        self.unused = nn.Parameter(torch.zeros(1))

    def forward(self, betas, subject):
        tokens = betas.float().unsqueeze(1)
        return DecoderOutput(tokens, tokens, None, None)


@pytest.fixture
def identity():
    return Identity()


@pytest.fixture
def batch_of():
    def make(betas, present=None, image_ids=None):
        betas = torch.as_tensor(betas)
        present = torch.ones(betas.shape[:2], dtype=torch.bool) if present is None else present
        ids = torch.arange(len(betas)) if image_ids is None else torch.as_tensor(image_ids)
        return RepeatBatch(subject=1, betas=betas, present=torch.as_tensor(present), image_ids=ids)

    return make
