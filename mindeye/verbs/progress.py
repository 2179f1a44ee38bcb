"""Progress bars with time left, on standard error."""

from collections.abc import Callable, Mapping

from tqdm import tqdm


class Bar:
    """A progress bar that learns its length at the first call."""

    def __init__(self, title: str) -> None:
        self.bar = tqdm(desc=title, total=0, dynamic_ncols=True, mininterval=0.5, leave=True)

    def __call__(self, done: int, total: int) -> None:
        self.bar.total = total
        self.bar.update(done - self.bar.n)
        if done >= total:
            self.bar.close()

    def with_losses(self, done: int, total: int, losses: Mapping[str, float]) -> None:
        """Also shows the last losses."""
        self.bar.set_postfix(
            {name: f"{value:.3g}" for name, value in losses.items()}, refresh=False
        )
        self(done, total)

    def close(self) -> None:
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
    bars: list[Bar] = []

    def report(done: int, total: int) -> None:
        if not bars:
            bars.append(Bar(title))
        bars[0](done, total)

    return report
