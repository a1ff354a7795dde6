"""What AWS's errors mean: wait, load credentials anew, begin the slice again, or have somebody mend it."""

import pytest
from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from shared.aws.faults import CALL_ERRORS, translate
from shared.errors import (
    CredentialsExpired,
    SettingRefused,
    SourceBusy,
    SourceDenied,
    SourceError,
    SourceMissing,
    SourceUnreachable,
    TokenRefused,
)

WHAT = "group /app, source s, region eu-west-1"
CALL = "logs:FilterLogEvents"


def answer(code: str, text: str = "text of AWS", status: int = 400, operation: str = "FilterLogEvents") -> Exception:
    """Return what botocore raises for an error that AWS answered."""
    response = {"Error": {"Code": code, "Message": text}, "ResponseMetadata": {"HTTPStatusCode": status}}
    return botocore.ClientError(response, operation)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", SourceBusy),
        ("Throttling", SourceBusy),
        ("TooManyRequestsException", SourceBusy),
        ("RequestLimitExceeded", SourceBusy),
        ("LimitExceededException", SourceBusy),
        ("ServiceUnavailableException", SourceBusy),
        ("ServiceUnavailable", SourceBusy),
        ("InternalFailure", SourceBusy),
        ("InternalServerError", SourceBusy),
        ("OperationAbortedException", SourceBusy),
        ("RequestTimeout", SourceBusy),
        ("ExpiredTokenException", CredentialsExpired),
        ("ExpiredToken", CredentialsExpired),
        ("RequestExpired", CredentialsExpired),
        ("AccessDeniedException", SourceDenied),
        ("AccessDenied", SourceDenied),
        ("UnrecognizedClientException", SourceError),
        ("InvalidClientTokenId", SourceError),
        ("InvalidSignatureException", SourceError),
        ("ResourceNotFoundException", SourceMissing),
        ("InvalidOperationException", SourceError),
        ("InvalidParameterException", SourceError),
        ("ValidationException", SourceError),
        ("OneOfNextYear", SourceError),
        ("", SourceError),
    ],
)
def test_the_code_decides_what_becomes_of_the_work(code: str, kind: type[SourceError]) -> None:
    """Exactly the type: of these, only what is busy is waited for without end."""
    error = translate(answer(code), CALL, WHAT)

    assert kind is type(error)
    assert (kind is not SourceBusy) == error.lasting
    assert str(error).startswith(f"{WHAT}: AWS answers {CALL} with {code}: ")
    assert ("text of AWS" in str(error)) != (kind is SourceDenied)
    assert "\n" not in str(error)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_status_that_says_busy_is_believed_whatever_the_code(status: int) -> None:
    """A load balancer in between has codes of its own, or none."""
    assert SourceBusy is type(translate(answer(str(status), status=status), CALL, WHAT))


def test_an_invalid_parameter_beside_a_token_is_the_token() -> None:
    """AWS has no code of its own for a token that expired; without one it is a fault of the settings."""
    assert TokenRefused is type(translate(answer("InvalidParameterException"), CALL, WHAT, with_token=True))
    assert SourceBusy is type(translate(answer("ThrottlingException"), CALL, WHAT, with_token=True))


@pytest.mark.parametrize(
    ("code", "text", "advice"),
    [
        ("AccessDeniedException", "no policy", "allow logs:FilterLogEvents there in the IAM policy"),
        ("ExpiredTokenException", "expired", "renew the credentials"),
        ("UnrecognizedClientException", "invalid", "AWS does not know these credentials, correct them"),
        ("InvalidSignatureException", "does not match", "AWS does not know these credentials, correct them"),
        (
            "InvalidSignatureException",
            "Signature expired: 20260101T000000Z is now earlier",
            "set the clock of this host",
        ),
        ("InvalidSignatureException", "Signature not yet current: 20260101T00", "set the clock of this host"),
        ("ResourceNotFoundException", "no such group", "correct log_groups, regions or the account"),
        ("InvalidOperationException", "class", "only groups of class STANDARD can be read"),
    ],
)
def test_the_message_says_what_to_do(code: str, text: str, advice: str) -> None:
    """The operator reads one line, and not a table of AWS's codes."""
    assert advice in str(translate(answer(code, text), CALL, WHAT))


DENIED = "User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: "
GROUP = "arn:aws-cn:logs:cn-north-1:123456789012:log-group"


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (
            f"{DENIED}logs:FilterLogEvents on resource: {GROUP}:/app:log-stream: because no identity-based policy allows "
            "the logs:FilterLogEvents action",
            f"allow logs:FilterLogEvents on {GROUP}:/app:* in the IAM policy of these credentials",
        ),
        (
            f"{DENIED}logs:DescribeLogGroups on resource: {GROUP}::log-stream: because no session policy allows it",
            f"allow logs:DescribeLogGroups on {GROUP}:* in the session policy",
        ),
        (
            f"{DENIED}logs:Unmask on resource: {GROUP}:/app:*",
            f"allow logs:Unmask on {GROUP}:/app:* in the IAM policy of these credentials, or set unmask = false",
        ),
        (
            f"{DENIED}logs:DeleteLogStream on resource: {GROUP}:/app:log-stream:a with an explicit deny in a service "
            "control policy",
            f"an explicit deny in a service control policy stands against logs:DeleteLogStream on {GROUP}:/app:*: have it "
            "lifted",
        ),
        (
            "no reason that we know",
            "allow logs:FilterLogEvents on arn:of:the:call in the IAM policy of these credentials",
        ),
        (
            f"{DENIED}logs:\x1b[31mFilterLogEvents on resource: everything\n",
            "allow logs:FilterLogEvents on arn:of:the:call in the IAM policy of these credentials",
        ),
    ],
)
def test_a_denial_names_action_and_resource_as_a_policy_has_to(text: str, advice: str) -> None:
    """From AWS's words where they say it, else from the call; the words themselves are long, and not for the operator."""
    error = translate(answer("AccessDeniedException", text), CALL, WHAT, resource="arn:of:the:call")

    assert SourceDenied is type(error)
    assert f"{WHAT}: AWS answers {CALL} with AccessDeniedException: {advice}" == str(error)


def test_a_filter_pattern_that_aws_refuses_is_named_with_its_source() -> None:
    """Where the words speak of another parameter, the pattern is not to blame."""
    pattern = translate(answer("InvalidParameterException", "Invalid term"), CALL, WHAT, filter_of="s")
    time = translate(answer("InvalidParameterException", "startTime is negative"), CALL, WHAT, filter_of="s")

    assert isinstance(pattern, SettingRefused)
    assert "filter_pattern of source s" == pattern.about
    assert str(pattern).endswith("Invalid term: correct filter_pattern of source s")
    assert SourceError is type(time)


def test_words_of_others_stay_in_one_line_without_control_characters() -> None:
    """A compatible server, or a proxy, may say anything."""
    said = str(translate(answer("Odd\nCode", "red \x1b[31m\r\n" + "x" * 5000), CALL, WHAT))

    assert said.isprintable()
    assert len(said) < 500


@pytest.mark.parametrize(
    ("error", "advice"),
    [
        (botocore.SSLError(endpoint_url="x", error=OSError("x")), "network, and ca_bundle"),
        (botocore.ProxyConnectionError(proxy_url="http://x"), "network, and proxy_url"),
        (botocore.MetadataRetrievalError(error_msg="x"), "check that the role of this container or instance"),
    ],
)
def test_what_stands_between_us_and_aws_is_named(error: Exception, advice: str) -> None:
    """Waited for all the same."""
    ours = translate(error, CALL, WHAT)

    assert SourceUnreachable is type(ours)
    assert advice in str(ours)


@pytest.mark.parametrize(
    ("operation", "text", "advice"),
    [
        ("AssumeRole", "The requested DurationSeconds exceeds the MaxSessionDuration", "shorten role_duration"),
        ("AssumeRoleWithWebIdentity", "No OpenIDConnect provider found", "correct AWS_ROLE_ARN or AWS_WEB_IDENTITY"),
    ],
)
def test_why_a_role_cannot_be_had_is_told_by_the_way_it_is_had(operation: str, text: str, advice: str) -> None:
    """Neither is a fault of the policy for logs."""
    error = translate(answer("ValidationError", text, operation=operation), CALL, WHAT)

    assert SourceError is type(error)
    assert f"AWS answers sts:{operation} with ValidationError: {text}: {advice}" in str(error)


def test_renewed_credentials_that_have_expired_are_loaded_anew() -> None:
    """botocore has no type of its own for it; any other RuntimeError is none of credentials."""
    renewed = RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired.")

    assert CredentialsExpired is type(translate(renewed, CALL, WHAT))
    assert SourceError is type(translate(RuntimeError("can't start new thread"), CALL, WHAT))


@pytest.mark.parametrize("code", ["AccessDenied", "ValidationError", "RegionDisabledException"])
def test_a_role_that_cannot_be_assumed_is_no_denial_of_the_call(code: str) -> None:
    """botocore assumes it on the way; taken for a denial, an exact name would be read on trust, and fail again."""
    error = translate(answer(code, operation="AssumeRole"), CALL, WHAT)

    why = (
        "allow sts:AssumeRole there in the IAM policy of these credentials, or"
        if code == "AccessDenied"
        else "text of AWS:"
    )
    assert SourceError is type(error)
    assert f"AWS answers sts:AssumeRole with {code}: {why} correct role_arn or external_id" in str(error)


@pytest.mark.parametrize(("code", "kind"), [("Throttling", SourceBusy), ("ExpiredToken", CredentialsExpired)])
def test_a_role_in_passing_trouble_is_waited_for(code: str, kind: type[SourceError]) -> None:
    """STS throttles too, and the credentials that assume the role may be the ones that ran out."""
    assert kind is type(translate(answer(code, operation="AssumeRole"), CALL, WHAT))


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (botocore.NoCredentialsError(), SourceError, "no AWS credentials found: set AWS_ACCESS_KEY_ID"),
        (botocore.ProfileNotFound(profile="p"), SourceError, "correct `profile`, or add it"),
        (botocore.PartialCredentialsError(provider="env", cred_var="x"), SourceError, "credentials cannot be used"),
        (
            botocore.CredentialRetrievalError(provider="process", error_msg="x"),
            SourceError,
            "credentials cannot be used",
        ),
        (botocore.EndpointConnectionError(endpoint_url="http://x"), SourceUnreachable, "check the region"),
        (botocore.ConnectTimeoutError(endpoint_url="http://x"), SourceUnreachable, "check the region"),
        (botocore.ReadTimeoutError(endpoint_url="http://x"), SourceUnreachable, "check the region"),
        (botocore.ConnectionClosedError(endpoint_url="http://x"), SourceUnreachable, "check the region"),
        (botocore.ProxyConnectionError(proxy_url="http://x"), SourceUnreachable, "check the region"),
        (botocore.SSLError(endpoint_url="http://x", error=OSError("x")), SourceUnreachable, "check the region"),
        (ResponseParserError("half an answer"), SourceBusy, f"the answer to {CALL} cannot be read: half an answer"),
        (botocore.ParamValidationError(report="x"), SourceError, f"{CALL} cannot be called"),
        (botocore.NoRegionError(), SourceError, f"{CALL} cannot be called"),
        (ValueError("Invalid endpoint: x"), SourceError, f"{CALL} cannot be called: Invalid endpoint: x"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_what_never_reached_aws_is_told_apart(error: Exception, kind: type[SourceError], said: str) -> None:
    """A network is waited for; a missing profile is not going to appear."""
    ours = translate(error, CALL, WHAT)

    assert isinstance(error, CALL_ERRORS)
    assert kind is type(ours)
    assert str(ours).startswith(f"{WHAT}: ")
    assert said in str(ours)
