"""Every error cwpipe raises on purpose. The type decides the fate of the work, the message is what an operator reads.

A message is one line that names the thing (file, key, group, event, socket) and says what to do.
Edge modules translate: no botocore, redis or OS error is meant to leave the module that talks to that system.
"""


class CwpipeError(Exception):
    """The root. `exit_code` is what the command ends with when nobody handles the error."""

    exit_code = 1

    @classmethod
    def with_code(cls, message: str, exit_code: int) -> "CwpipeError":
        """Return an error that ends the command with the code another process ended with."""
        error = cls(message)
        error.exit_code = exit_code
        return error


class SettingsError(CwpipeError):
    """Bad usage or configuration. Every fault found is in `faults`, a line each."""

    exit_code = 2

    def __init__(self, faults: list[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


class Unreachable(CwpipeError):
    """Something needed cannot be reached: Redis, the embedded server, or the receiver's socket."""

    exit_code = 3


class Incomplete(CwpipeError):
    """Groups that could not be read, or events that could not be delivered; each was named."""

    exit_code = 4


class SourceError(CwpipeError):
    """CloudWatch Logs, or the way to it, refused. Retried with back-off; `lasting` ones end a `--once` for the group."""

    exit_code = 4
    lasting = True


class SourceBusy(SourceError):
    """AWS asks to slow down, or answers with a fault of its own. Waited for, however long it takes."""

    lasting = False


class SourceUnreachable(SourceError):
    """No answer from the endpoint. Waited for, but a `--once` gives up after a while: the region may be a typing mistake."""

    lasting = False


class SourceDenied(SourceError):
    """The credentials may not make this call on this resource."""


class SourceMissing(SourceError):
    """AWS knows no such log group or stream."""


class SettingRefused(SourceError):
    """AWS does not take a value of the settings; `about` names it: all groups that it is for fail alike."""

    def __init__(self, message: str, about: str = "") -> None:
        super().__init__(message)
        self.about = about


class CredentialsExpired(SourceError):
    """The credentials ran out. They are loaded anew at once; lasting only if that does not help."""


class TokenRefused(SourceError):
    """AWS no longer takes a page token (they live 24 hours). The slice is read again from its start."""

    lasting = False


class PoisonMessage(CwpipeError):
    """Bytes from Redis that can never be decoded: no retry will help, they become a dead letter."""
