"""Which quirks a verb works with: the run's own, changed by the command line."""

from collections.abc import Sequence

from mindeye.quirks import Quirks, quirks_from
from mindeye.run import RunFolder


def switched_on(
    run: RunFolder, compat: str | None, settings: Sequence[str], concerned: Sequence[str]
) -> tuple[str, ...]:
    """Of the switches that concern a verb, those that are on.

    All others are as the run was trained: nothing that is set here changes what it has learned.

    Args:
        compat, settings: see `quirks_from`.

    Raises:
        FileNotFoundError: this is no run folder.
        LookupError: an unknown system or switch.
        ValueError: a setting of another form, or of a switch that does not concern the verb.
    """
    return settings_concerning(run.quirks(), compat, settings, concerned)


def settings_concerning(
    base: Quirks, compat: str | None, settings: Sequence[str], concerned: Sequence[str]
) -> tuple[str, ...]:
    """The same where there is no run, or it has been read."""
    quirks = quirks_from(compat, settings, base=base)
    for name in (setting.partition("=")[0] for setting in settings):
        if name not in concerned:
            raise ValueError(
                f"The quirk `{name}` changes nothing in this verb. "
                f"Choose from {', '.join(concerned)}."
            )
    on = quirks.switched_on()
    return tuple(name for name in concerned if name in on)
