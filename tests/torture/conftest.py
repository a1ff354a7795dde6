"""What these runs have to say is heard when they pass, too: the seed, the repeats, how long recovery took."""

from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def tell(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Print a text past pytest's capturing; in one of many processes of tests, which has no terminal, into it."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    reporter = pytestconfig.pluginmanager.getplugin("terminalreporter")

    def write(text: str) -> None:
        with capture.global_and_fixture_disabled():
            reporter.ensure_newline()
            reporter.write_line(text)

    return print if reporter is None else write
