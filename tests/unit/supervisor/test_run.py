"""The end of a `run --once` when Redis is not there to tell how it went."""

from pathlib import Path

import pytest

from services.supervisor.embedded import EmbeddedServer
from services.supervisor.run import Supervisor
from shared import store
from shared.errors import Unreachable
from shared.settings.load import Loaded
from shared.settings.model import Settings


def test_a_redis_that_went_away_is_told_of_in_one_line(tmp_path: Path) -> None:
    """Whoever stops a run that waits for its Redis sees exit code 3 and what became of the events, no traceback."""
    with EmbeddedServer(tmp_path) as url:
        loaded = Loaded(Settings(redis_url=url), {}, None)
        supervisor = Supervisor(loaded, store.connect(url), url, None, once=True)
    with pytest.raises(Unreachable, match=r"Redis went away .*: what was read and not yet delivered is kept there"):
        supervisor.conclude(as_json=True)
