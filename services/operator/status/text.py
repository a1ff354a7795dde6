"""Text in columns: what came from elsewhere cannot command the terminal, nor push what stands beside it away."""

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from shared.visible import visible

_CUT = ".."


def fitted(text: str, width: int) -> str:
    """Return `text` in exactly `width` cells, cut at its end."""
    return (
        set_cell_size(text, width) if cell_len(text) <= width else set_cell_size(text, max(0, width - 2)) + _CUT[:width]
    )


def named(name: str, width: int) -> str:
    """Return a name in exactly `width` cells, cut in the middle: names differ at their ends."""
    name = visible(name)
    if cell_len(name) <= width or width < 8:
        return fitted(name, width)
    tail = name[-(width // 2) :]
    while cell_len(tail) > width // 2:
        tail = tail[1:]
    return set_cell_size(set_cell_size(name, width - cell_len(tail) - len(_CUT)) + _CUT + tail, width)


def right(text: str, width: int) -> str:
    """Return `text` at the right end of `width` cells."""
    return fitted(" " * max(0, width - cell_len(text)) + text, width)


def line(width: int, *parts: str | tuple[str, str]) -> Text:
    """Return parts, each plain or with a style, as one line of at most `width` cells."""
    made = Text.assemble(*parts, no_wrap=True, overflow="crop")
    made.truncate(width, overflow="crop")
    return made
