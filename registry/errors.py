"""The errors that services raise. One neutral code each; every dialect maps it to its own status and shape."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """What went wrong, in words that every dialect can translate."""

    INVALID_PARAMETER_VALUE = "INVALID_PARAMETER_VALUE"
    UNAUTHENTICATED = "UNAUTHENTICATED"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_DOES_NOT_EXIST = "RESOURCE_DOES_NOT_EXIST"
    FILE_NOT_FOUND = "FILE_NOT_FOUND"
    ENDPOINT_NOT_FOUND = "ENDPOINT_NOT_FOUND"
    RESOURCE_ALREADY_EXISTS = "RESOURCE_ALREADY_EXISTS"
    RESOURCE_CONFLICT = "RESOURCE_CONFLICT"
    INVALID_STATE = "INVALID_STATE"
    PAYLOAD_TOO_LARGE = "PAYLOAD_TOO_LARGE"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    TEMPORARILY_UNAVAILABLE = "TEMPORARILY_UNAVAILABLE"
    NOT_IMPLEMENTED = "NOT_IMPLEMENTED"


class ModelkeepError(Exception):
    """Base of everything a service refuses; `message` is written for the person who reads it."""

    code = ErrorCode.INVALID_PARAMETER_VALUE

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class InvalidParameter(ModelkeepError):
    """A value that the caller sent cannot be used; `field` names it as the service calls it."""

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class Unauthenticated(ModelkeepError):
    """No credential, or one that is unknown, expired, revoked, or of a disabled principal."""

    code = ErrorCode.UNAUTHENTICATED


class NotFound(ModelkeepError):
    """The object does not exist, or the caller may not know that it does: both read the same."""

    code = ErrorCode.RESOURCE_DOES_NOT_EXIST


class FileMissing(NotFound):
    """No file or directory at that path."""

    code = ErrorCode.FILE_NOT_FOUND


class AccessDenied(ModelkeepError):
    """The caller may see the object and may not do this to it.

    `missing` names the privilege (or ownership), `securable` the full name it is missing on, `owner` whom to ask.
    """

    code = ErrorCode.PERMISSION_DENIED

    def __init__(self, message: str, *, missing: str = "", securable: str = "", owner: str = "") -> None:
        super().__init__(message)
        self.missing = missing
        self.securable = securable
        self.owner = owner


class PasswordChangeRequired(AccessDenied):
    """The password was given by somebody else: it opens nothing but the page on which it is replaced."""


class AlreadyExists(ModelkeepError):
    """An object of that name is there already."""

    code = ErrorCode.RESOURCE_ALREADY_EXISTS


class Conflict(ModelkeepError):
    """The object changed, or is in use, so that this cannot be done now."""

    code = ErrorCode.RESOURCE_CONFLICT


class InvalidState(ModelkeepError):
    """The object exists and is not in a state that allows this."""

    code = ErrorCode.INVALID_STATE


class TooLarge(ModelkeepError):
    """More bytes than the limit named in the message."""

    code = ErrorCode.PAYLOAD_TOO_LARGE


class LimitExceeded(ModelkeepError):
    """A count limit is reached (aliases, tags, files); the message names the limit."""

    code = ErrorCode.INVALID_PARAMETER_VALUE


class Unavailable(ModelkeepError):
    """A part of the product is starting or away; trying again later helps."""

    code = ErrorCode.TEMPORARILY_UNAVAILABLE


class NotImplementedHere(ModelkeepError):
    """The call is part of a protocol that is understood and deliberately not served."""

    code = ErrorCode.NOT_IMPLEMENTED
