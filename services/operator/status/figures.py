"""Figures for people, short and with their unit."""

_BYTES = ("B", "KiB", "MiB", "GiB", "TiB")
_SECONDS = (("d", 86_400), ("h", 3_600), ("min", 60))


def rate(a_second: float | None) -> str:
    """Return how often in a second: whole, but for the small ones. None: it is not known yet."""
    if a_second is None:
        return "-"
    return f"{a_second:,.0f}" if a_second >= 9.95 or not a_second else f"{max(a_second, 0.1):.1f}"


def size(count: int) -> str:
    """Return a number of bytes: three digits or so."""
    value, unit = float(max(0, count)), 0
    while value >= 1024 and unit < len(_BYTES) - 1:
        value, unit = value / 1024, unit + 1
    return f"{value:.0f} {_BYTES[unit]}" if value >= 9.95 or not unit else f"{value:.1f} {_BYTES[unit]}"


def age(seconds: float) -> str:
    """Return a length of time in its largest unit."""
    for name, length in _SECONDS:
        if seconds >= 2 * length:
            return f"{seconds / length:,.0f} {name}"
    return f"{max(0.0, seconds):,.0f} s"


def some(count: int, what: str) -> str:
    """Return how many of what: "1 batch" of the plural "batches" too."""
    single = what.removesuffix("es") if what.endswith("ches") else what.removesuffix("s")
    return f"{count:,} {single if count == 1 else what}"
