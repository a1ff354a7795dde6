"""The gate by itself: the password, the headers, and what the log tells."""

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import pytest
import structlog
from werkzeug.test import Client

from services.dashboard import gate
from services.dashboard.gate import NONCE, Gate
from tests.unit.dashboard.visitor import basic

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


def inside(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Answer with the nonce."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Cache-Control", "no-cache")])
    return [environ[NONCE].encode()]


@pytest.mark.parametrize(
    ("user", "password"),
    [("cwpipe", "correct horse battery"), ("o", "with:colons:in it"), ("cwpipe", "pässwörd € of twelve")],
)
def test_the_right_password_opens(user: str, password: str) -> None:
    """Browsers send it as UTF-8, as they are told to."""
    visitor = Client(Gate(inside, user, password))

    assert 200 == visitor.get("/", headers=basic(user, password)).status_code
    assert 401 == visitor.get("/", headers=basic(user, password + " ")).status_code
    assert 401 == visitor.get("/", headers=basic(user + ":", password[1:])).status_code
    assert 'charset="UTF-8"' in visitor.get("/").headers["WWW-Authenticate"]


def test_a_colon_does_not_move_the_border_between_user_and_password() -> None:
    """A user's name has none: the settings see to it."""
    assert 401 == Client(Gate(inside, "a", "b:c-and-more")).get("/", headers=basic("b", "a:c-and-more")).status_code


@pytest.mark.parametrize(
    "value", ["", "Basic", "Basic ", "Basic =", "Basic \xff", "Digest x", "Basic " + "A" * 100_000]
)
def test_what_is_no_password_is_refused(value: str) -> None:
    """Whatever it is, without an error."""
    answer = Client(Gate(inside, "cwpipe", "")).get("/", headers={"Authorization": value})

    assert 401 == answer.status_code


def test_an_answer_keeps_what_it_says_of_caching_and_has_a_nonce_of_its_own() -> None:
    """Static files may be asked for again with a date; what has no such header is never stored."""
    visitor = Client(Gate(inside, "cwpipe", "x"))
    answers = [visitor.get("/", headers=basic("cwpipe", "x")) for _ in range(3)]

    assert ["no-cache"] * 3 == [answer.headers["Cache-Control"] for answer in answers]
    assert 3 == len({answer.text for answer in answers})
    assert all(f"'nonce-{answer.text}'" in answer.headers["Content-Security-Policy"] for answer in answers)
    assert "no-store" == visitor.get("/").headers["Cache-Control"]


def test_a_flood_of_guesses_is_a_line_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """With their number and where they came from, and without what was guessed."""
    clock = [100.0]
    monkeypatch.setattr(gate, "monotonic", lambda: clock[0])
    visitor = Client(Gate(inside, "cwpipe", "x"))
    with structlog.testing.capture_logs() as lines:
        for _ in range(500):
            visitor.get("/", headers=basic("cwpipe", "guess"), environ_base={"REMOTE_ADDR": "192.0.2.7"})
        clock[0] += 1.0
        visitor.get("/", headers=basic("cwpipe", "guess"), environ_base={"REMOTE_ADDR": "192.0.2.7"})

    assert [(1, "192.0.2.7"), (500, "192.0.2.7")] == [(line["times"], line["client"]) for line in lines]
    assert "guess" not in str(lines)


def test_somebody_who_has_not_logged_in_yet_is_not_worth_a_line() -> None:
    """Every browser asks first without."""
    with structlog.testing.capture_logs() as lines:
        Client(Gate(inside, "cwpipe", "x")).get("/")

    assert [] == lines


def test_the_comparison_is_of_digests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one length, by a function whose time tells nothing of where they differ."""
    seen: list[tuple[Any, Any]] = []

    def compare(one: Any, other: Any) -> bool:
        seen.append((one, other))
        return False

    monkeypatch.setattr("hmac.compare_digest", compare)
    for guess in ("a", "a long one" * 50):
        Client(Gate(inside, "cwpipe", "x")).get("/", headers=basic("cwpipe", guess))

    assert {32} == {len(digest) for pair in seen for digest in pair}
    assert base64.b64encode(b"x") not in seen[0]
