"""Who sees which image when: NSD's design arrays, for a made-up experiment."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from mindeye import nsd_layout as nsd
from mindeye.simulate.random_streams import stream_of

NEARBY_SHARE = 0.57
"""Probability that a showing falls near its image's moment; reproduces NSD's repeat counts."""
NEARBY_SD = 0.4
"""How near, in sessions."""
SHARED_SHARE = nsd.NUM_SHARED_IMAGES / nsd.IMAGES_PER_SUBJECT


@dataclass(frozen=True, kw_only=True)
class Design:
    """NSD's design arrays without their MATLAB axes; ids and indices count from 1, as in NSD."""

    masterordering: Int[np.ndarray, "trials"]
    """Trial -> column of `subjectim`, the same for every subject."""
    subjectim: Int[np.ndarray, "subjects columns"]
    """Column -> image id + 1; the first 1000 columns are the shared images."""
    stimpattern: Int[np.ndarray, "sessions runs slots"]
    """1 where a slot of 4 s shows an image."""

    @property
    def sharedix(self) -> Int[np.ndarray, "images"]:
        """Ids + 1 of the shared images, ascending."""
        return self.subjectim[0, : nsd.NUM_SHARED_IMAGES]

    @property
    def basiccnt(self) -> Int[np.ndarray, "showings sessions"]:
        """How many trials of each session are an image's first, second, third showing."""
        showing = showing_of(self.masterordering).reshape(nsd.NUM_SESSIONS, nsd.TRIALS_PER_SESSION)
        return np.stack([(showing == k).sum(1) for k in range(nsd.REPEATS_PER_IMAGE)])

    def image_ids(self, subject: int, sessions: int) -> Int[np.ndarray, "trials"]:
        """Image id (from 0) of each trial of a subject's first sessions."""
        columns = self.masterordering[: sessions * nsd.TRIALS_PER_SESSION] - 1
        return self.subjectim[subject - 1, columns] - 1


def make_design(placement: str, sessions: int, *, seed: int) -> Design:
    """Design of an experiment whose first sessions are acquired (see `SimulationConfig`)."""
    order = stream_of(seed, "design", "order")
    everything = np.arange(1, nsd.IMAGES_PER_SUBJECT + 1)
    if placement == "nsd" or sessions == nsd.NUM_SESSIONS:
        masterordering = _spread(everything, nsd.NUM_SESSIONS, order)
    else:
        first = _first_images(sessions, order)
        rest = np.setdiff1d(everything, first)
        masterordering = np.concatenate(
            [_spread(first, sessions, order), _spread(rest, nsd.NUM_SESSIONS - sessions, order)]
        )
    return Design(
        masterordering=masterordering,
        subjectim=_draw_images(stream_of(seed, "design", "images")),
        stimpattern=_draw_slots(stream_of(seed, "design", "slots")),
    )


def showing_of(columns: Int[np.ndarray, "trials"]) -> Int[np.ndarray, "trials"]:
    """How often each trial's image was shown before."""
    order = np.argsort(columns, kind="stable")
    ordered = columns[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, len(ordered)])
    showing = np.empty_like(columns)
    showing[order] = np.arange(len(columns)) - np.repeat(starts, lengths)
    return showing


def _first_images(sessions: int, generator: np.random.Generator) -> Int[np.ndarray, "images"]:
    """The columns that fill the acquired sessions three times, a tenth of them shared."""
    num_images = sessions * nsd.TRIALS_PER_SESSION // nsd.REPEATS_PER_IMAGE
    num_shared = round(num_images * SHARED_SHARE)
    shared = generator.choice(nsd.NUM_SHARED_IMAGES, num_shared, replace=False)
    own = nsd.NUM_SHARED_IMAGES + generator.choice(
        nsd.IMAGES_PER_SUBJECT - nsd.NUM_SHARED_IMAGES, num_images - num_shared, replace=False
    )
    return 1 + np.concatenate([shared, own])


def _spread(
    columns: Int[np.ndarray, "images"], sessions: int, generator: np.random.Generator
) -> Int[np.ndarray, "trials"]:
    """Each column three times: near the image's own moment, or anywhere; then in order of time."""
    shape = (len(columns), nsd.REPEATS_PER_IMAGE)
    moment = generator.uniform(0, sessions, (len(columns), 1))
    near = moment + generator.normal(0, NEARBY_SD, shape)
    anywhere = generator.uniform(0, sessions, shape)
    when = np.where(generator.random(shape) < NEARBY_SHARE, near, anywhere)
    return np.repeat(columns, nsd.REPEATS_PER_IMAGE)[np.argsort(when, axis=None, kind="stable")]


def _draw_images(generator: np.random.Generator) -> Int[np.ndarray, "subjects columns"]:
    own = nsd.IMAGES_PER_SUBJECT - nsd.NUM_SHARED_IMAGES
    drawn = 1 + generator.permutation(nsd.NUM_IMAGES)
    shared = np.sort(drawn[: nsd.NUM_SHARED_IMAGES])
    others = drawn[nsd.NUM_SHARED_IMAGES :].reshape(nsd.NUM_SUBJECTS, own)
    return np.concatenate([np.tile(shared, (nsd.NUM_SUBJECTS, 1)), others], axis=1)


def _draw_slots(generator: np.random.Generator) -> Int[np.ndarray, "sessions runs slots"]:
    """Rest at both ends of a run and in some slots between."""
    pattern = np.zeros((nsd.NUM_SESSIONS, nsd.RUNS_PER_SESSION, nsd.SLOTS_PER_RUN), dtype=np.int64)
    inner = np.arange(3, nsd.SLOTS_PER_RUN - 4)
    for session in range(nsd.NUM_SESSIONS):
        for run, num_trials in enumerate(nsd.TRIALS_PER_RUN):
            pattern[session, run, generator.choice(inner, num_trials, replace=False)] = 1
    return pattern
