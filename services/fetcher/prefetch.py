"""The pages of one turn: how many there may be, and the next of them fetched while the last ones are committed.

A page ahead is used only for exactly the read it was fetched for, and thrown away otherwise: nothing depends on it.
"""

import threading
from collections.abc import Callable

from shared.aws.pages import Page
from shared.messages import OpenSlice

#: Asked before each call to AWS.
Permit = Callable[[OpenSlice], bool]


class PagesAhead:
    """The pages of one group, turn by turn. For one thread; fetching ahead is on another."""

    def __init__(self, fetch: Callable[[OpenSlice], Page]) -> None:
        self._fetch = fetch
        self._fetching: _Fetching | None = None
        self._left = 0
        self._go_on: Callable[[], bool] = bool
        self._permit: Permit | None = None

    def begin(self, pages: int, go_on: Callable[[], bool], permit: Permit | None) -> None:
        """Begin a turn of so many pages. Without `permit` each call is allowed, and none is made ahead."""
        self._left, self._go_on, self._permit = pages, go_on, permit

    def end(self) -> None:
        """End the turn: what was fetched ahead is thrown away."""
        self._fetching = None

    def may_go_on(self) -> bool:
        """Say whether the turn has another page."""
        return self._left > 0 and self._go_on()

    def is_permitted(self, current: OpenSlice) -> bool:
        """Say whether the page at which `current` stands may be fetched, or was already."""
        return self._permit is None or self._holds(current) or self._permit(current)

    def start(self, following: OpenSlice | None) -> OpenSlice | None:
        """Begin to fetch the page at which `following` stands; return it, or None if there is none or it may not be."""
        if following is None or not following.token or self._permit is None:
            return None
        if not self.may_go_on() or not self._permit(following):
            return None
        self._fetching = _Fetching(self._fetch, following)
        self._fetching.thread.start()
        return following

    def page(self, current: OpenSlice) -> Page:
        """Return the page at which `current` stands, fetched ahead or now. Blocks on AWS; raises what fetching it raised."""
        fetching, self._fetching = (self._fetching if self._holds(current) else None), None
        page = self._fetch(current) if fetching is None else fetching.result()
        self._left -= 1
        return page

    def started(self) -> Page | None:
        """Return the page that was begun to be fetched. None: that failed, and `page` will raise why. Blocks on AWS."""
        assert self._fetching is not None, "start() comes first"
        page = self._fetching.wait()
        if page is not None:
            self._fetching = None
            self._left -= 1
        return page

    def _holds(self, current: OpenSlice) -> bool:
        return self._fetching is not None and _place(self._fetching.slice) == _place(current)


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
