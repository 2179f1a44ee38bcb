"""Tables of words and numbers as Markdown and LaTeX."""

from collections.abc import Sequence
from dataclasses import dataclass

BEST = "*"
"""Stands behind the best value of a metric in tables of text."""


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """A table of words and numbers with a title and what must be said of it."""

    title: str
    words: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def as_plain_text(table: TextTable) -> str:
    """Aligned columns for the terminal."""
    lines = [table.header, *table.rows]
    widths = [max(len(line[column]) for line in lines) for column in range(len(table.header))]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def as_markdown(tables: Sequence[TextTable], head: str) -> str:
    """All tables under a first line."""
    parts = [head]
    for table in tables:
        lines = [table.header, ["---"] * len(table.header), *table.rows]
        body = ("| " + " | ".join(_plain(cell) for cell in line) + " |" for line in lines)
        parts.append("\n".join([f"## {table.title}", "", *body, "", table.words]))
    return "\n\n".join(parts) + "\n"


def as_latex(tables: Sequence[TextTable], head: str) -> str:
    """All tables for \\input; they need no package."""
    parts = [f"% {head}"]
    for table in tables:
        lines = [" & ".join(_latex(cell) for cell in line) + r" \\" for line in table.rows]
        parts.append(
            "\n".join(
                [
                    r"\begin{table}",
                    r"\centering\small",
                    rf"\caption{{{_latex(table.title)}. {_latex(table.words)}}}",
                    rf"\begin{{tabular}}{{l{'r' * (len(table.header) - 1)}}}",
                    r"\hline",
                    " & ".join(_latex(cell) for cell in table.header) + r" \\",
                    r"\hline",
                    *lines,
                    r"\hline",
                    r"\end{tabular}",
                    r"\end{table}",
                ]
            )
        )
    return "\n\n".join(parts) + "\n"


def _plain(cell: str) -> str:
    """Markdown of a cell: the best is bold, and nothing ends it early."""
    text = cell.replace("|", r"\|").replace("_", r"\_")
    return f"**{text.removesuffix(BEST)}**" if cell.endswith(BEST) else text


def _latex(cell: str) -> str:
    text = cell.removesuffix(BEST).translate(_LATEX_OF)
    return rf"\textbf{{{text}}}" if cell.endswith(BEST) else text


_LATEX_OF = str.maketrans(
    {
        **{one: rf"\{one}" for one in "&%$#_{}"},
        # LaTeX's usual text font has other characters at the places of these three.
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
    }
)
