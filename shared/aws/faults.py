"""What an error of botocore means for the group or source at hand, in one line that says what to do.

No botocore error leaves `shared.aws`: the type of ours decides whether to wait, to load credentials anew, or to give up.
"""

from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from shared.aws import denials
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

#: What a call may raise beside our own errors: `translate` knows them all.
CALL_ERRORS = (
    *(botocore.BotoCoreError, botocore.ClientError, ResponseParserError, ValueError, RuntimeError),
    *(AttributeError, TypeError),  # botocore's parser, of an error whose body is JSON and no object
)

_EXPIRED = {"ExpiredToken", "ExpiredTokenException", "RequestExpired"}
_BUSY = {
    "InternalFailure",
    "InternalServerError",
    "InternalServiceError",
    "LimitExceededException",
    "OperationAbortedException",
    "RequestLimitExceeded",
    "RequestTimeout",
    "ServiceUnavailable",
    "ServiceUnavailableException",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
}
_THROTTLED = {"RequestLimitExceeded", "Throttling", "ThrottlingException", "TooManyRequestsException"}
_DENIED = {"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"}
_UNKNOWN_KEY = (
    "IncompleteSignature",
    "InvalidClientTokenId",
    "InvalidSignatureException",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
)
_ADVICE = dict.fromkeys(_UNKNOWN_KEY, "AWS does not know these credentials, correct them") | {
    "ResourceNotFoundException": "correct log_groups, regions or the account",
    "InvalidOperationException": "only groups of class STANDARD can be read, exclude it",
}
#: The calls by which botocore gets the credentials of a role, before the operation asked for.
_ROLE_ADVICE = {
    "AssumeRole": "correct role_arn or external_id, or the trust policy of that role",
    "AssumeRoleWithWebIdentity": "correct AWS_ROLE_ARN or AWS_WEB_IDENTITY_TOKEN_FILE, or the trust policy of that role",
}
_DURATION = "DurationSeconds"
#: A signature may be five minutes away from AWS's own time; these words come with a code that says something else.
_OTHER_TIME = ("Signature expired", "Signature not yet current")
#: What an InvalidParameterException may speak of beside the filter pattern.
_OTHER_PARAMETERS = ("startTime", "endTime", "logGroup", "logStream", "limit", "Token")
_UNREACHABLE = (
    botocore.ConnectionError,
    botocore.HTTPClientError,
    botocore.MetadataRetrievalError,
    botocore.ReadTimeoutError,
)
_UNUSABLE = (
    botocore.ConfigParseError,
    botocore.CredentialRetrievalError,
    botocore.InfiniteLoopConfigError,
    botocore.InvalidConfigError,
    botocore.PartialCredentialsError,
    botocore.SSOError,
    botocore.TokenRetrievalError,
    botocore.UnknownCredentialError,
)
#: AWS's words within a line of ours.
_LONGEST_TEXT = 300


def translate(
    error: Exception,
    operation: str,
    what: str,
    *,
    with_token: bool = False,
    resource: str = "",
    filter_of: str = "",
) -> SourceError:
    """Return our error for `error`, raised by `operation` ("logs:FilterLogEvents") on `what` ("group X in eu-west-1").

    `resource` is the ARN of what it was about; `filter_of` the source whose filter_pattern went with it.
    """
    if isinstance(error, botocore.ClientError):
        return _answered(error, operation, what, with_token=with_token, resource=resource, filter_of=filter_of)
    if isinstance(error, botocore.NoCredentialsError):
        return SourceError(
            f"{what}: no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role"
        )
    if isinstance(error, botocore.ProfileNotFound):
        return SourceError(f"{what}: {error}: correct `profile`, or add it to ~/.aws/config")
    if isinstance(error, _UNUSABLE):
        return SourceError(f"{what}: the AWS credentials cannot be used: {one_line(str(error))}")
    if isinstance(error, ResponseParserError | AttributeError | TypeError | RecursionError):
        return SourceBusy(f"{what}: the answer to {operation} cannot be read: {one_line(str(error))}")
    if isinstance(error, _UNREACHABLE):
        return SourceUnreachable(f"{what}: {one_line(str(error))}: {_way(error)}")
    if isinstance(error, RuntimeError) and "refreshed" in str(error):  # botocore has no type of its own for it
        return CredentialsExpired(f"{what}: the AWS credentials were renewed and have expired all the same: renew them")
    return SourceError(f"{what}: {operation} cannot be called: {one_line(str(error))}")


def one_line(text: str) -> str:
    """Return words that others chose as they may stand in a line of ours."""
    plain = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return plain if len(plain) <= _LONGEST_TEXT else f"{plain[:_LONGEST_TEXT]}..."


def _way(error: Exception) -> str:
    """Return what to check when there was no answer."""
    if isinstance(error, botocore.MetadataRetrievalError):
        return "check that the role of this container or instance can be asked for"
    others = ""
    if isinstance(error, botocore.SSLError):
        others = ", and ca_bundle"
    elif isinstance(error, botocore.ProxyConnectionError):
        others = ", and proxy_url"
    return f"check the region, endpoint_url and the network{others}"


def is_throttling(error: Exception) -> bool:
    """Say whether AWS refused a call of CloudWatch Logs because there were too many."""
    if not isinstance(error, botocore.ClientError) or error.operation_name == "AssumeRole":
        return False
    return error.response.get("Error", {}).get("Code") in _THROTTLED


def _answered(
    error: botocore.ClientError, operation: str, what: str, *, with_token: bool, resource: str, filter_of: str
) -> SourceError:
    code = one_line(str(error.response.get("Error", {}).get("Code", "")))
    text = one_line(str(error.response.get("Error", {}).get("Message", ""))) or "no reason given"
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    role_advice = _ROLE_ADVICE.get(error.operation_name)
    answer = f"{what}: AWS answers {f'sts:{error.operation_name}' if role_advice else operation} with {code}"
    if code in _EXPIRED:
        return CredentialsExpired(f"{answer}: {text}: renew the credentials")
    if code in _BUSY or status >= 500 or status == 429:
        return SourceBusy(f"{answer}: {text}")
    if role_advice:
        return _not_assumed(error, code, text, answer, role_advice)
    if code in _DENIED:
        return SourceDenied(f"{answer}: {denials.advice(_whole_text(error), operation, resource)}")
    if code == "InvalidParameterException":
        if with_token:
            return TokenRefused(f"{answer}: {text}")
        if filter_of and not any(name in text for name in _OTHER_PARAMETERS):
            return SettingRefused(
                f"{answer}: {text}: correct filter_pattern of source {filter_of}",
                about=f"filter_pattern of source {filter_of}",
            )
    if code == "ResourceNotFoundException":
        return SourceMissing(f"{answer}: {text}: {_ADVICE[code]}")
    advice = "set the clock of this host" if text.startswith(_OTHER_TIME) else _ADVICE.get(code)
    return SourceError(f"{answer}: {text}: {advice}" if advice else f"{answer}: {text}")


def _not_assumed(error: botocore.ClientError, code: str, text: str, answer: str, advice: str) -> SourceError:
    """Return why a role cannot be had: it is no denial of the call that was asked for."""
    if code in _DENIED:
        allow = denials.advice(_whole_text(error), f"sts:{error.operation_name}", "")
        return SourceError(f"{answer}: {allow}, or {advice}")
    if _DURATION in text:
        return SourceError(f"{answer}: {text}: shorten role_duration, or lengthen the sessions of that role")
    return SourceError(f"{answer}: {text}: {advice}")


def _whole_text(error: botocore.ClientError) -> str:
    return str(error.response.get("Error", {}).get("Message", ""))
