"""One page ahead: the next page of a slice is fetched while the last one is committed.

It is used only for exactly the read it was fetched for, and thrown away otherwise: nothing depends on it.
"""

import threading
from collections.abc import Callable

from shared.aws.pages import Page
from shared.messages import OpenSlice


class PageAhead:
    """The page after the one at hand, of one group. For one thread; the fetching itself is on another."""

    def __init__(self, fetch: Callable[[OpenSlice], Page]) -> None:
        self._fetch = fetch
        self._fetching: _Fetching | None = None

    def start(self, following: OpenSlice) -> None:
        """Begin to fetch the page at which `following` stands."""
        self._fetching = _Fetching(self._fetch, following)
        self._fetching.thread.start()

    def holds(self, current: OpenSlice) -> bool:
        """Say whether the page at which `current` stands was fetched, or is being."""
        return self._fetching is not None and _place(self._fetching.slice) == _place(current)

    def page(self, current: OpenSlice) -> Page:
        """Return the page at which `current` stands, fetched ahead or now. Blocks on AWS; raises what fetching it raised."""
        fetching, self._fetching = (self._fetching if self.holds(current) else None), None
        return self._fetch(current) if fetching is None else fetching.result()

    def page_if_fetched(self, current: OpenSlice) -> Page | None:
        """Return the page at which `current` stands, which is being fetched. None: that failed, and `page` will raise why.

        Blocks on AWS.
        """
        assert self.holds(current), "start() comes first"
        page = self._fetching.wait() if self._fetching is not None else None
        if page is not None:
            self._fetching = None
        return page

    def drop(self) -> None:
        """Throw away what was fetched ahead."""
        self._fetching = None


class _Fetching:
    """One call on a thread of its own."""

    def __init__(self, fetch: Callable[[OpenSlice], Page], following: OpenSlice) -> None:
        self.slice = following
        self.thread = threading.Thread(target=self._run, name="fetch-ahead", daemon=True)
        self._fetch = fetch
        self._page: Page | None = None
        self._error: BaseException | None = None

    def wait(self) -> Page | None:
        """Wait for the page and return it; None: something was raised instead."""
        self.thread.join()
        return self._page

    def result(self) -> Page:
        """Wait for the page and return it, or raise what was raised instead."""
        page = self.wait()
        if page is None:
            raise self._error or RuntimeError("a page was fetched and is not there")
        return page

    def _run(self) -> None:
        try:
            self._page = self._fetch(self.slice)
        except BaseException as error:  # noqa: BLE001 - raised by the thread that wants the page
            self._error = error


def _place(current: OpenSlice) -> tuple[int, int, str]:
    return current.from_ms, current.to_ms, current.token
