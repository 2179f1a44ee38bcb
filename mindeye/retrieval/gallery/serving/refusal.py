"""What a client is told when it gets no answer."""


class QueryError(ValueError):
    """A query that is not answered; its text goes to the client, so it holds no path."""

    def __init__(self, text: str, status: int = 400, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.retry_after_s = retry_after_s
