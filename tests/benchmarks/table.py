"""Tables of figures: a name and one figure for each column, in sections."""

from collections.abc import Sequence


class Table:
    """Rows as they come. A figure that is missing is a fault of the benchmark: rows must be as long as `columns`."""

    def __init__(self, columns: Sequence[str], name_width: int = 34, width: int = 13) -> None:
        self._name_width = name_width
        self._width = width
        self._columns = list(columns)
        self._lines = [self._line("", columns)]

    def section(self, title: str) -> None:
        """Begin a section."""
        self._lines += ["", title]

    def row(self, name: str, figures: Sequence[float], digits: int = 2) -> None:
        """Add a row, each figure with so many digits behind the point."""
        assert len(figures) == len(self._columns), f"{name}: {len(figures)} figures in {len(self._columns)} columns"
        self._lines.append(self._line(f"  {name}", [f"{figure:,.{digits}f}" for figure in figures]))

    def __str__(self) -> str:
        return "\n".join(self._lines)

    def _line(self, name: str, cells: Sequence[str]) -> str:
        return f"{name:{self._name_width}}" + "".join(f"{cell:>{self._width}}" for cell in cells)
