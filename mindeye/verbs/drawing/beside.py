"""What `mindeye reconstruct` puts beside pictures: trust, captions and contact sheets."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mindeye.reconstruction.opening import OpenRun
from mindeye.reconstruction.picture_folder import Reconstruction
from mindeye.reconstruction.settings import ReconstructionConfig
from mindeye.reconstruction.uncertainty import TRUST, Calibration
from mindeye.report.banner import SIMULATED
from mindeye.verbs.drawing.calibration import marks_of, opened_calibration, save_uncertainty
from mindeye.verbs.drawing.captions_beside import (
    CaptionsAsked,
    OpenedCaptions,
    kept_captions,
    opened_captions,
    save_beside,
)
from mindeye.verbs.drawing.sheets import has_sheets, write_sheets
from mindeye.verbs.evaluation.pictures_beside import shown_pictures


@dataclass(frozen=True, kw_only=True)
class BesideAsked:
    """What is asked for; none of it changes a picture."""

    calibration: Path | None = None
    """A folder of validation images of the same settings."""
    trust: float = TRUST
    captions: CaptionsAsked | None = None


@dataclass(frozen=True, kw_only=True)
class Beside:
    """What was asked for, checked and opened before anything is drawn."""

    run: OpenRun
    split: str
    validation: Path | None
    calibration: Calibration | None
    captions: OpenedCaptions | None

    def write(self, out: Path, drawn: Reconstruction) -> None:
        """Writes it into a finished folder."""
        if self.calibration is not None:
            save_uncertainty(out, drawn, self.calibration, self.validation)
        if self.captions is not None:
            about = {**self.run.about, "split": self.split, **self.captions.about}
            save_beside(out, self.captions.of(drawn), about)
        changed = self.calibration is not None or self.captions is not None
        if changed or not has_sheets(out, len(drawn.image_ids)):
            self._write_sheets(out, drawn)

    def _write_sheets(self, out: Path, drawn: Reconstruction) -> None:
        marks = marks_of(out)
        note = f"{self.split} images of subject {self.run.prepared.subject}"
        note += ". ?: not to be trusted" if marks else ""
        write_sheets(
            out,
            drawn,
            shown_pictures(self.run, drawn.image_ids, None),
            marks=marks,
            captions=kept_captions(out),
            note=f"{note}. {SIMULATED}" if self.run.about["simulated"] is not None else note,
        )


def opened_beside(
    asked: BesideAsked,
    run: OpenRun,
    config: ReconstructionConfig,
    generator: str,
    image_ids: Sequence[int],
    split: str,
    device: str,
) -> Beside:
    """Refuses what cannot be had, before hours of drawing.

    Args:
        generator: identity of the one that draws.

    Raises:
        FileNotFoundError: no such folder, file or captioner.
        LookupError: images without caption.
        ValueError: see `opened_calibration` and `opened_captions`.
    """
    calibration = captions = None
    if asked.calibration is not None:
        given = (asked.calibration, run, config, generator, asked.trust)
        calibration = opened_calibration(*given)
    if asked.captions is not None:
        captions = opened_captions(asked.captions, run, image_ids, device)
    return Beside(
        run=run,
        split=split,
        validation=asked.calibration,
        calibration=calibration,
        captions=captions,
    )
