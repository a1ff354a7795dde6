"""What an error of botocore means for the group or source at hand, in one line that says what to do.

No botocore error leaves `shared.aws`: the type of ours decides whether to wait, to load credentials anew, or to give up.
"""

from botocore import exceptions as botocore
from botocore.parsers import ResponseParserError

from shared.errors import CredentialsExpired, SourceBusy, SourceDenied, SourceError, SourceUnreachable, TokenRefused

#: What a call may raise beside our own errors: `translate` knows them all.
CALL_ERRORS = (botocore.BotoCoreError, botocore.ClientError, ResponseParserError, ValueError)

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
#: A signature may be five minutes away from AWS's own time; these words come with a code that says something else.
_OTHER_TIME = ("Signature expired", "Signature not yet current")
_UNREACHABLE = (
    botocore.ConnectionError,
    botocore.HTTPClientError,
    botocore.ReadTimeoutError,
)


def translate(error: Exception, operation: str, what: str, *, with_token: bool = False) -> SourceError:
    """Return our error for `error`, raised by `operation` ("logs:FilterLogEvents") on `what` ("group X in eu-west-1")."""
    if isinstance(error, botocore.ClientError):
        return _answered(error, operation, what, with_token=with_token)
    if isinstance(error, botocore.NoCredentialsError):
        return SourceError(
            f"{what}: no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile or a role"
        )
    if isinstance(error, botocore.ProfileNotFound):
        return SourceError(f"{what}: {error}: correct `profile`, or add it to ~/.aws/config")
    if isinstance(error, botocore.PartialCredentialsError | botocore.CredentialRetrievalError):
        return SourceError(f"{what}: the AWS credentials cannot be used: {error}")
    if isinstance(error, ResponseParserError):
        return SourceBusy(f"{what}: the answer to {operation} cannot be read: {error}")
    if isinstance(error, _UNREACHABLE):
        return SourceUnreachable(f"{what}: {error}: check the region, endpoint_url and the network")
    return SourceError(f"{what}: {operation} cannot be called: {error}")


def is_throttling(error: Exception) -> bool:
    """Say whether AWS refused a call of CloudWatch Logs because there were too many."""
    if not isinstance(error, botocore.ClientError) or error.operation_name == "AssumeRole":
        return False
    return error.response.get("Error", {}).get("Code") in _THROTTLED


def _answered(error: botocore.ClientError, operation: str, what: str, *, with_token: bool) -> SourceError:
    code = str(error.response.get("Error", {}).get("Code", ""))
    text = str(error.response.get("Error", {}).get("Message", "")) or "no reason given"
    status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
    in_role = error.operation_name == "AssumeRole"  # which botocore calls by itself, before the operation asked for
    said = f"{what}: AWS answers {'sts:AssumeRole' if in_role else operation} with {code}: {text}"
    if code in _EXPIRED:
        return CredentialsExpired(f"{said}: renew the credentials")
    if code in _BUSY or status >= 500 or status == 429:
        return SourceBusy(said)
    if in_role:
        return SourceError(f"{said}: correct role_arn or external_id, or the trust policy of that role")
    if code in _DENIED:
        return SourceDenied(f"{said}: allow {operation} there in the IAM policy of these credentials")
    if code == "InvalidParameterException" and with_token:
        return TokenRefused(said)
    advice = "set the clock of this host" if text.startswith(_OTHER_TIME) else _ADVICE.get(code)
    return SourceError(f"{said}: {advice}" if advice else said)
