import numpy as np
import torch

from mindeye.analysis.ablation import embeddings_without, training_mean


def test_silent_voxels_stand_at_the_training_mean(identity, batch_of):
    betas = torch.randn(4, 2, 6)
    silent = torch.tensor([True, False, True, False, False, False])
    mean = torch.arange(6).float()
    expected = betas.mean(1)
    expected[:, silent] = mean[silent]
    expected = expected / expected.norm(dim=1, keepdim=True)
    before = betas.clone()
    found = embeddings_without(identity, batch_of(betas), silent, mean)
    torch.testing.assert_close(found, expected)
    assert torch.equal(betas, before)


def test_the_training_mean_leaves_out_absent_repeats(batch_of):
    rng = np.random.default_rng(0)
    betas = rng.normal(size=(5, 3, 4)).astype(np.float16)
    present = np.array([[1, 1, 1], [1, 0, 0], [1, 1, 0], [1, 0, 0], [1, 1, 1]], dtype=bool)
    betas[~present] = np.nan
    expected = betas[present].astype(np.float64).mean(0)
    found = training_mean(batch_of(betas, present))
    np.testing.assert_allclose(found.numpy(), expected, atol=1e-6)
