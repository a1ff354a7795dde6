"""The second read: every event of a range once more, page by page."""

from collections import deque
from collections.abc import Iterator
from time import sleep

from shared.aws.logs_api import LogsApi
from shared.aws.pages import Page
from shared.errors import SourceBusy, SourceError, SourceUnreachable
from shared.messages import LogEvent
from shared.remembered import digest

#: Pages of AWS may overlap a little: an event counts once among so many.
PAGES_COMPARED = 4
#: Seconds between the tries of one page; an endpoint that does not answer is given up after the first few.
BUSY_SECONDS = (1, 2, 4, 8, 15, 30, 30, 30, 30, 30, 30, 30, 30)
UNREACHABLE_TRIES = 3


class Reading:
    """Reads one group. Every method blocks on AWS."""

    def __init__(self, api: LogsApi, log_group: str) -> None:
        self.pages = 0
        """Pages read so far."""
        self._api = api
        self._log_group = log_group

    def events(self, from_ms: int, end_ms: int) -> Iterator[tuple[LogEvent, int]]:
        """Yield every event in [from_ms, end_ms), each with its 64-bit hash.

        Waits where AWS asks to slow down. Raises SourceError.
        """
        before: deque[set[int]] = deque(maxlen=PAGES_COMPARED)
        token = ""
        while True:
            page = self._page(from_ms, end_ms - 1, token)
            self.pages += 1
            hashes: set[int] = set()
            for event in page.events:
                hashed = digest(event)
                if hashed not in hashes and not any(hashed in page for page in before):
                    hashes.add(hashed)
                    if from_ms <= event.timestamp_ms < end_ms:
                        yield event, hashed
            before.append(hashes)
            if not page.token:
                return
            token = page.token

    def _page(self, from_ms: int, to_ms: int, token: str) -> Page:
        for tries, seconds in enumerate(BUSY_SECONDS, start=1):
            try:
                page = self._api.page(self._log_group, from_ms, to_ms, token)
                if page.token and page.token == token:
                    raise SourceBusy(f"group {self._log_group}: AWS returned the page token it was given")
            except (SourceBusy, SourceUnreachable) as error:
                if tries == len(BUSY_SECONDS) or (isinstance(error, SourceUnreachable) and tries >= UNREACHABLE_TRIES):
                    raise
                sleep(seconds)
            else:
                return page
        raise SourceError("unreachable")
