"""The errors the stand-in answers with, in AWS's words."""

ACCESS_DENIED = "AccessDeniedException"
EXPIRED_TOKEN = "ExpiredTokenException"
INVALID_OPERATION = "InvalidOperationException"
INVALID_PARAMETER = "InvalidParameterException"
NOT_FOUND = "ResourceNotFoundException"
SERVICE_UNAVAILABLE = "ServiceUnavailableException"
THROTTLING = "ThrottlingException"
UNRECOGNIZED_CLIENT = "UnrecognizedClientException"

#: What AWS says with each code when the test gives no text of its own. AccessDeniedException is worded per call.
MESSAGES = {
    EXPIRED_TOKEN: "The security token included in the request is expired",
    INVALID_PARAMETER: "The specified parameter is invalid.",
    NOT_FOUND: "The specified log group does not exist.",
    SERVICE_UNAVAILABLE: "The service cannot complete the request.",
    THROTTLING: "Rate exceeded",
    UNRECOGNIZED_CLIENT: "The security token included in the request is invalid.",
}
STATUSES = {SERVICE_UNAVAILABLE: 503, "InternalFailure": 500}


class ApiError(Exception):
    """A refusal, as it goes over the wire."""

    def __init__(self, code: str, message: str = "", status: int | None = None) -> None:
        self.code = code
        self.message = message or MESSAGES.get(code, code)
        self.status = status if status is not None else STATUSES.get(code, 400)
        super().__init__(f"{self.code}: {self.message}")


def invalid(message: str) -> ApiError:
    """Return an InvalidParameterException to raise."""
    return ApiError(INVALID_PARAMETER, message)


def not_found(thing: str) -> ApiError:
    """Return a ResourceNotFoundException to raise for a "log group" or a "log stream"."""
    return ApiError(NOT_FOUND, f"The specified {thing} does not exist.")
