"""MindEye1's and MindEye2's checkpoints <-> our decoder."""

from mindeye.models.published.mindeye1 import decoder_from_mindeye1, to_mindeye1
from mindeye.models.published.mindeye2 import decoder_from_mindeye2, to_mindeye2

__all__ = ["decoder_from_mindeye1", "decoder_from_mindeye2", "to_mindeye1", "to_mindeye2"]
