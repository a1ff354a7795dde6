"""Text from elsewhere, made harmless for a terminal."""


def visible(text: str, keep: str = "") -> str:
    """Return `text` with what is not printable written as an escape, but for the characters in `keep`."""
    if text.isprintable():
        return text
    return "".join(
        char if char.isprintable() or char in keep else char.encode("unicode_escape").decode() for char in text
    )
