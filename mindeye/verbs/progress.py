"""Progress bars with time left, on standard error."""

from collections.abc import Callable, Mapping

from tqdm import tqdm


class Bar:
    """A progress bar that appears, and learns its length, at the first call."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.bar: tqdm | None = None

    def __call__(self, done: int, total: int, losses: Mapping[str, float] | None = None) -> None:
        if self.bar is None:
            self.bar = tqdm(desc=self.title, dynamic_ncols=True, mininterval=0.5, leave=True)
        if losses:
            shown = {name: f"{value:.3g}" for name, value in losses.items()}
            self.bar.set_postfix(shown, refresh=False)
        self.bar.total = total
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.bar.close()

    def close(self) -> None:
        if self.bar is not None:
            self.bar.close()


class Stages:
    """Progress of work that names its stages as it goes."""

    def __init__(self) -> None:
        self.bars: dict[str, Bar] = {}

    def __call__(self, stage: str, done: int, total: int) -> None:
        if stage not in self.bars:
            self.bars[stage] = Bar(stage)
        self.bars[stage](done, total)

    def close(self) -> None:
        for bar in self.bars.values():
            bar.close()


def watch(title: str) -> Callable[[int, int], None]:
    """A progress bar under a title, shown from the first report on."""
    return Bar(title)
