import numpy as np
import pytest
import torch

from mindeye.metrics import captions
from mindeye.metrics.captions import METEOR, METEOR_WITHOUT, caption_scores, words_of

LOOK = "Two dogs of different breeds look at each other."
ROAD = "A black dog and a white dog look at each other on the road"


class Synonyms:
    """A WordNet of two words."""

    def ensure_loaded(self) -> None:
        pass

    def synsets(self, word: str) -> list:
        return [self] if word in ("street", "road") else []

    def lemmas(self) -> list:
        return [Lemma("street"), Lemma("road")]


class Lemma:
    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name


@pytest.fixture
def without_wordnet(monkeypatch):
    monkeypatch.setattr(captions, "_has_wordnet", lambda: False)


def test_a_caption_is_perfectly_like_itself_and_not_at_all_like_other_words(without_wordnet):
    found = caption_scores([LOOK, LOOK], [[LOOK], ["Green trains"]])
    for name in ("BLEU-4", "ROUGE-1", "ROUGE-L"):
        np.testing.assert_allclose(found.scores[name], [1, 0], atol=1e-12)
    # METEOR takes off a little for the one chunk that a whole match is.
    assert found.scores[METEOR_WITHOUT][0] == pytest.approx(1 - 0.5 / 9**3)
    assert found.scores[METEOR_WITHOUT][1] == 0


def test_rouge_is_googles():
    """Numbers of rouge-score 0.1.2, without stemming."""
    scores = caption_scores([ROAD], [[LOOK]]).scores
    assert scores["ROUGE-1"][0] == pytest.approx(0.34782608695652173, abs=1e-15)
    assert scores["ROUGE-L"][0] == pytest.approx(0.34782608695652173, abs=1e-15)
    scores = caption_scores(["the dog bites the man"], [["the man bites the dog"]]).scores
    assert scores["ROUGE-1"][0] == 1
    assert scores["ROUGE-L"][0] == pytest.approx(0.6)  # the .. bites .. the


def test_bleu_is_its_definition_with_a_small_count_where_none_matches():
    one, reference = "a dog runs on the wet grass", "a dog runs over the wet grass"
    found = caption_scores([one], [[reference]]).scores["BLEU-4"][0]
    precisions = [6 / 7, 4 / 6, 2 / 5, 0.1 / 4]
    assert found == pytest.approx(np.exp(np.mean(np.log(precisions))))


def test_the_best_of_several_references_counts(without_wordnet):
    alone = caption_scores([LOOK], [[ROAD]]).scores
    several = caption_scores([LOOK], [[ROAD, LOOK, "Green trains"]]).scores
    for name, values in several.items():
        assert values[0] > alone[name][0]
        assert values[0] > 0.99


def test_without_wordnet_meteor_bears_another_name_and_says_how_to_fetch_it(without_wordnet):
    found = caption_scores(["a dog walks"], [["a dog walked"]])
    assert METEOR not in found.scores
    assert "python -m nltk.downloader wordnet" in found.absent[METEOR]
    assert found.scores[METEOR_WITHOUT][0] > 0.9  # walks and walked have one stem


def test_synonyms_count_where_wordnet_knows_them(monkeypatch):
    monkeypatch.setattr(captions, "wordnet", Synonyms())
    found = caption_scores(["the long street"], [["the long road"]])
    assert METEOR_WITHOUT not in found.scores
    assert METEOR not in found.absent
    assert found.scores[METEOR][0] > 0.95
    monkeypatch.setattr(captions, "_has_wordnet", lambda: False)
    poorer = caption_scores(["the long street"], [["the long road"]])
    assert poorer.scores[METEOR_WITHOUT][0] < found.scores[METEOR][0] - 0.2


def test_the_clip_score_is_the_best_cosine_of_texts():
    vectors = {"a": [1.0, 0.0], "b": [0.0, 2.0], "c": [1.0, 1.0]}

    def embed(texts: list[str]) -> torch.Tensor:
        return torch.tensor([vectors[text] for text in texts])

    found = caption_scores(["a", "b"], [["b", "c"], ["a"]], embed)
    np.testing.assert_allclose(found.scores["CLIP score"], [0.5**0.5, 0], atol=1e-12)
    assert "CLIP score" not in found.absent
    assert caption_scores(["a"], [["b"]]).absent["CLIP score"] == (
        "CLIP score: no CLIP was given that embeds texts"
    )


def test_words_are_runs_of_letters_and_digits():
    assert words_of("Two dogs' 3rd-best, RUN!") == ["two", "dogs", "3rd", "best", "run"]


@pytest.mark.parametrize(
    ("decoded", "written", "text"),
    [
        (["a"], [["a"], ["b"]], "1 decoded captions but references of 2 images"),
        ([], [], "0 decoded captions"),
        (["a"], ["abc"], "Put a single one into a list"),
        (["a", " ! "], [["a"], ["b"]], "Image 1 has an empty caption"),
        (["a"], [[]], "Image 0 has an empty caption or no reference"),
    ],
)
def test_captions_that_cannot_be_compared_are_refused(decoded, written, text):
    with pytest.raises(ValueError, match=text):
        caption_scores(decoded, written)
