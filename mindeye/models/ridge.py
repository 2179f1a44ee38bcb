"""One linear layer a subject: its voxels -> the latent that all subjects share."""

from collections.abc import Mapping

from jaxtyping import Float
from torch import Tensor, nn


class SubjectRidge(nn.Module):
    """Voxels of a subject -> shared latent (MindEye2, arXiv:2403.11207, 2.1).

    Its weights are decayed, which makes it a ridge regression trained with the rest.
    """

    def __init__(self, num_voxels_of: Mapping[int, int], width: int, *, bias: bool = True) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {
                str(subject): nn.Linear(voxels, width, bias=bias)
                for subject, voxels in num_voxels_of.items()
            }
        )

    def forward(
        self, betas: Float[Tensor, "trials voxels"], subject: int
    ) -> Float[Tensor, "trials latent"]:
        """Raises LookupError for an unknown subject, ValueError for another voxel count."""
        if str(subject) not in self.layers:
            raise LookupError(
                f"This model has no ridge layer for subject {subject}; it knows "
                f"{', '.join(self.layers)}. Fine-tune it on that subject first."
            )
        layer = self.layers[str(subject)]
        if betas.shape[1] != layer.in_features:
            raise ValueError(
                f"Subject {subject} has {layer.in_features} voxels in this model but "
                f"{betas.shape[1]} in this scan. Was it masked with another ROI?"
            )
        return layer(betas)
