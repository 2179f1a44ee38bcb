"""Which devices this machine has, and the refusal of any other."""

import torch


def require_device(name: str) -> None:
    """Refuses a device that is not here, before anything is opened.

    Raises:
        LookupError: names the devices that are here.
    """
    here = devices()
    if name not in here:
        raise LookupError(
            f"There is no device `{name}` on this machine. "
            f"Choose one of its own with --device: {', '.join(here)}."
        )


def devices() -> tuple[str, ...]:
    """The CPU and, where there is one, the accelerator: by its kind and by number."""
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    if accelerator is None:
        return ("cpu",)
    kind = accelerator.type
    numbers = range(torch.accelerator.device_count())
    return ("cpu", kind, *(f"{kind}:{number}" for number in numbers))
