from mindeye.nsd_experiments import imagery_runs


def test_imagery_has_720_betas_and_attention_counts_twice():
    runs = imagery_runs()
    assert len(runs) == 720
    assert {runs.count(name) for name in runs if name.startswith("att")} == {96}
    assert {runs.count(name) for name in runs if not name.startswith("att")} == {48}
    # The blocks that a public reader of the file lists.
    assert [runs.index(name) for name in ("imgA_1", "visB", "imgC_1", "imgA_2")] == [
        *(144, 192, 528, 576)
    ]
