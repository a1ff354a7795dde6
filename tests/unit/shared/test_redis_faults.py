"""What is said of errors that the system gives, whatever the server they come of."""

import ssl

import pytest
import redis

from shared import redis_faults


def wrapped(cause: BaseException) -> redis.RedisError:
    """Return an error as redis-py makes one of another."""
    try:
        try:
            raise cause
        except BaseException as error:
            raise redis.ConnectionError("Error 1 connecting") from error
    except redis.ConnectionError as error:
        return error


def ssl_error(reason: str) -> ssl.SSLError:
    error = ssl.SSLError(1, reason)
    error.reason = reason
    return error


def verification(code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "certificate verify failed")
    error.verify_code, error.verify_message = code, f"the words for {code}"
    return error


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (verification(18), "redis_ca_bundle"),
        (verification(20), "redis_ca_bundle"),
        (verification(10), "no longer valid"),
        (verification(9), "look at the clocks"),
        (verification(62), "for another host"),
        (verification(64), "for another host"),
        (verification(23), "cannot be trusted (the words for 23)"),
        (ssl_error("WRONG_VERSION_NUMBER"), "does not speak TLS"),
        (ssl_error("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "redis_client_cert"),
        (ssl_error("TLSV1_ALERT_UNKNOWN_CA"), "redis_client_cert"),
    ],
)
def test_what_is_wrong_with_tls_is_said_with_what_to_do(cause: Exception, said: str) -> None:
    """OpenSSL's own words name a line of its source."""
    assert said in (redis_faults.refusal(wrapped(cause)) or "")


def test_a_command_that_is_not_permitted_is_named() -> None:
    """An ACL that is one command short would be a puzzle otherwise."""
    error = redis.exceptions.NoPermissionError("User x has no permissions to run the 'hincrby' command")
    said = redis_faults.refusal(error) or ""

    assert "'hincrby'" in said
    assert "docs/redis.md" in said


@pytest.mark.parametrize(
    "error", [redis.ConnectionError("away"), redis.ResponseError("OOM"), wrapped(OSError(111, ""))]
)
def test_what_is_just_away_is_no_refusal(error: redis.RedisError) -> None:
    """It is waited for, in redis-py's own words."""
    assert redis_faults.refusal(error) is None


def test_where_nobody_listens_no_guess_is_made() -> None:
    assert "" == redis_faults.hint(wrapped(ConnectionRefusedError()), tls=True)
