"""How single trials decode session by session, and what ridge learns from more sessions."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from mindeye.data.shards import TrialTable
from mindeye.metrics.identification import two_way_wins
from mindeye.models.decoder import Decoder
from mindeye.retrieval.similarity import TIE, similarity_matrix
from mindeye.targets.cache import TargetTable
from mindeye.training.ridge_baseline import fitted_ridge
from mindeye.types import RepeatBatch

BATCH = 256
MOST_POINTS = 6


class SessionScores(NamedTuple):
    """Single trials of test images in one session, an image each (mean over its trials there)."""

    session: int
    num_trials: int
    beaten: Float[np.ndarray, "images"]
    """Share of the other test images less similar to the trial than its own; chance 0.5."""
    found: Float[np.ndarray, "images"]
    """1 where no other test image is as similar."""


@torch.inference_mode()
def session_scores(
    decoder: Decoder,
    table: TrialTable,
    subject: int,
    image_ids: Int[np.ndarray, "images"],
    images: Float[Tensor, "images features"],
) -> list[SessionScores]:
    """Image retrieval of each single trial among all test images, by session, ascending.

    Args:
        image_ids: ascending, of the rows of `images`.
    """
    device = next(decoder.parameters()).device
    decoder.eval()
    betas = torch.from_numpy(table.betas)
    embeddings = torch.cat(
        [
            decoder(block.float().to(device), subject).embeddings.cpu()
            for block in betas.split(BATCH)
        ]
    )
    columns = torch.from_numpy(np.searchsorted(image_ids, table.image_ids)).unsqueeze(1)
    similarity = similarity_matrix(embeddings, images)
    rivals = (similarity >= similarity.gather(1, columns) - TIE).sum(1).numpy() - 1
    scores = []
    for session in np.unique(table.sessions).tolist():
        rows = table.sessions == session
        places = np.unique(table.image_ids[rows], return_inverse=True)[1]
        count = np.bincount(places)
        beaten = np.bincount(places, weights=1 - rivals[rows] / (len(images) - 1)) / count
        found = np.bincount(places, weights=rivals[rows] == 0) / count
        scores.append(SessionScores(session, int(rows.sum()), beaten, found))
    return scores


def ridge_by_sessions(
    table: TrialTable,
    test: RepeatBatch,
    targets: TargetTable,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[tuple[int, int, Float[np.ndarray, "images"]]]:
    """Ridge to the CLIP image embedding from the first n sessions: (n, training images, wins).

    Trials of an image are averaged as far as they were shown by then. The wins are two-way
    identification of the test images, each from all of its repeats.
    """
    sessions = np.unique(table.sessions)
    counts = growing_counts(len(sessions))
    unseen, truth = test.mean().numpy(), targets.tokens(test.image_ids)[:, 0]
    for done, count in enumerate(counts, start=1):
        rows = table.sessions <= sessions[count - 1]
        image_ids, scan = mean_of_images(table.betas[rows], table.image_ids[rows])
        wanted = targets.tokens(torch.from_numpy(image_ids))[:, 0].numpy()
        predicted = fitted_ridge(scan, wanted).predict(unseen)
        progress(done, len(counts))
        yield count, len(image_ids), np.asarray(two_way_wins(truth.new_tensor(predicted), truth))


def growing_counts(num_sessions: int) -> list[int]:
    """1, 2, 4 ... and all: at most `MOST_POINTS` numbers of sessions, doubling from the top."""
    counts = {num_sessions}
    while len(counts) < MOST_POINTS and min(counts) > 1:
        counts.add(min(counts) // 2)
    return sorted(counts)


def mean_of_images(
    betas: Float[np.ndarray, "trials voxels"], image_ids: Int[np.ndarray, "trials"]
) -> tuple[Int[np.ndarray, "images"], Float[np.ndarray, "images voxels"]]:
    """Ascending ids, and the mean over each image's trials, float32."""
    ids, rows, counts = np.unique(image_ids, return_inverse=True, return_counts=True)
    total = np.zeros((len(ids), betas.shape[1]), dtype=np.float32)
    np.add.at(total, rows, betas.astype(np.float32))
    return ids, total / counts[:, None].astype(np.float32)
