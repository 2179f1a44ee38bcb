import re

import numpy as np
import pytest

from mindeye import nsd_layout
from mindeye.data import peer_presets
from mindeye.data.batches import PreparedSubject
from mindeye.data.peer_presets import INEXACT, PRESETS, with_preset
from mindeye.data.prepare import prepare_nsd


def test_takagi_is_one_scaler_fitted_to_all_single_trials_of_own_images(
    long_tree, tmp_path, monkeypatch
):
    monkeypatch.setitem(nsd_layout.SESSIONS, 1, 5)
    settings = with_preset("takagi", {"roi": "streams:early"})
    prepared = PreparedSubject(
        prepare_nsd(long_tree.root, subject=1, out=tmp_path / "a", **settings)
    )
    stream = long_tree.atlases["streams"] == 1
    betas = np.concatenate([raw[stream].T.astype(np.float64) for raw in long_tree.raw[:2]])
    own = ~long_tree.is_shared[:1500]
    z = (betas - betas[own].mean(0)) / betas[own].std(0)
    train = prepared.table("train")
    assert train.trials.tolist() == np.flatnonzero(own).tolist()
    np.testing.assert_allclose(train.betas, z[own], atol=3e-3)
    repeats = prepared.repeats("test")
    for image_id, mean in zip(repeats.image_ids.tolist(), repeats.mean().numpy()):
        shown = z[long_tree.image_ids[:1500] == image_id]
        np.testing.assert_allclose(mean, shown.mean(0), atol=3e-3)


def test_what_contradicts_a_preset_is_refused_and_what_agrees_is_not():
    given = {"roi": "streams:early", "zscore": "train-global"}
    assert with_preset("takagi", given) == {**given, **PRESETS["takagi"]}
    with pytest.raises(ValueError, match=r"`takagi` has zscore train-global, not none"):
        with_preset("takagi", {**given, "zscore": "none"})
    with pytest.raises(ValueError, match=r"named streams:\.\.\., not nsdgeneral"):
        with_preset("takagi", {})


@pytest.mark.parametrize("peer", INEXACT)
def test_a_peer_that_cannot_be_exact_is_refused_with_the_reason(peer):
    with pytest.raises(LookupError, match=re.escape(INEXACT[peer])):
        with_preset(peer, {})


def test_every_peer_of_the_table_is_known_and_another_is_not():
    rows = [line for line in peer_presets.__doc__.splitlines() if line.startswith("| ")][1:]
    named = {peer for row in rows for peer in row.split("|")[1].strip().split(", ")}
    assert named == {*PRESETS, *INEXACT}
    with pytest.raises(LookupError, match=r"Unknown peer `mindeye3`. Presets there are for takagi"):
        with_preset("mindeye3", {})
