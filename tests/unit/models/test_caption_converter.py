"""The converter of captions: MindEye2's file, and the closed form that fits one."""

import numpy as np
import pytest
import torch

from mindeye.models.caption_converter import (
    CaptionConverter,
    fitted_converter,
    load_converter,
    save_converter,
)


def tokens(images: int, shape: tuple[int, int], seed: int = 0) -> torch.Tensor:
    return torch.randn(images, *shape, generator=torch.Generator().manual_seed(seed))


def random_converter(shape_in=(4, 7), shape_out=(5, 6), seed: int = 0) -> CaptionConverter:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return CaptionConverter(shape_in, shape_out).requires_grad_(False)


def test_tokens_are_mixed_first_and_their_width_after_it():
    converter, seen = random_converter(), tokens(3, (4, 7))
    one, two = converter.linear1, converter.linear2
    slow = np.empty((3, 5, 6))
    for image in range(3):
        mixed = one.weight.numpy() @ seen[image].numpy() + one.bias.numpy()[:, None]
        slow[image] = mixed @ two.weight.numpy().T + two.bias.numpy()
    np.testing.assert_allclose(converter(seen).numpy(), slow, atol=1e-5)


def test_mindeye2s_file_is_opened_as_it_was_saved(tmp_path):
    published = random_converter((256, 32), (257, 24))
    state = {f"module.{name}": one for name, one in published.state_dict().items()}
    torch.save({"epoch": 8, "model_state_dict": state, "lr": [1e-3]}, tmp_path / "bigG.pth")
    opened = load_converter(tmp_path / "bigG.pth")
    assert (opened.shape_in, opened.shape_out) == ((256, 32), (257, 24))
    seen = tokens(2, (256, 32))
    assert torch.equal(opened(seen), published(seen))
    save_converter(opened, tmp_path / "ours.safetensors")
    assert torch.equal(load_converter(tmp_path / "ours.safetensors")(seen), published(seen))


def test_another_file_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no converter at .*absent.* bigG_to_L_epoch8"):
        load_converter(tmp_path / "absent.pth")
    torch.save({"linear1.weight": torch.ones(2, 3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"holds linear1\.weight, not linear1\.bias"):
        load_converter(tmp_path / "other.pth")
    more = {**random_converter().state_dict(), "linear3.weight": torch.ones(2, 3)}
    torch.save(more, tmp_path / "more.pth")
    with pytest.raises(ValueError, match="it is no converter of captions"):
        load_converter(tmp_path / "more.pth")


def test_a_converter_that_exists_is_found():
    """From another start than its own, and on tokens that it was not fitted to."""
    truth = random_converter()
    seen = tokens(300, (4, 7))
    fitted = fitted_converter(seen, truth(seen), sweeps=60, penalty=1e-8)
    new = tokens(20, (4, 7), seed=1)
    torch.testing.assert_close(fitted(new), truth(new), atol=1e-3, rtol=0)


def errors_of(seen, wanted, counts):
    return [
        (fitted_converter(seen, wanted, sweeps=count, penalty=0.0)(seen) - wanted).square().mean()
        for count in counts
    ]


def test_no_sweep_makes_the_error_larger_and_gradients_find_nothing_better():
    seen, wanted = tokens(40, (4, 7)), tokens(40, (5, 6), seed=1)
    wanted = wanted + random_converter(seed=2)(seen)
    errors = errors_of(seen, wanted, (0, 1, 3, 40))
    assert errors == sorted(errors, reverse=True)
    trained = random_converter(seed=3).requires_grad_(True)
    optimizer = torch.optim.LBFGS(trained.parameters(), max_iter=400, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = (trained(seen) - wanted).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert errors[-1] <= closure().item() + 1e-4


def test_the_first_half_of_a_sweep_is_numpys_least_squares():
    """No sweep at all: the width alone is fitted, to patch i for token i and their mean first."""
    seen, wanted = tokens(50, (4, 7)).double(), tokens(50, (5, 6), seed=1)
    fitted = fitted_converter(seen.float(), wanted, sweeps=0, penalty=0.0)
    mixed = torch.cat([seen.mean(1, keepdim=True), seen], dim=1).flatten(0, 1).numpy()
    rows = np.concatenate([mixed, np.ones((len(mixed), 1))], axis=1)
    solution, *_ = np.linalg.lstsq(rows, wanted.flatten(0, 1).numpy(), rcond=None)
    np.testing.assert_allclose(fitted.linear2.weight.numpy().T, solution[:-1], atol=1e-5)
    np.testing.assert_allclose(fitted.linear2.bias.numpy(), solution[-1], atol=1e-5)
