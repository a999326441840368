"""Refusals as S3 clients read them: XML with a code (docs.aws.amazon.com, "Error responses")."""

import logging

from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse
from django.http.request import UnreadablePostError

from registry.api.request_context import context_of
from registry.api.s3.xml import document
from registry.errors import ErrorCode, InvalidParameter, ModelkeepError
from registry.services.s3_door import UploadMissing
from registry.services.temporary_credentials import ExpiredLease

logger = logging.getLogger(__name__)

_STATUS = {
    "AccessDenied": 403,
    "AuthorizationHeaderMalformed": 400,
    "BadDigest": 400,
    "EntityTooLarge": 400,
    "ExpiredToken": 400,
    "IncompleteBody": 400,
    "InternalError": 500,
    "InvalidAccessKeyId": 403,
    "InvalidArgument": 400,
    "InvalidPart": 400,
    "InvalidRange": 416,
    "InvalidRequest": 400,
    "InvalidToken": 400,
    "MalformedXML": 400,
    "MethodNotAllowed": 405,
    "MissingContentLength": 411,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "NoSuchUpload": 404,
    "NotImplemented": 501,
    "OperationAborted": 409,
    "PreconditionFailed": 412,
    "RequestTimeTooSkewed": 403,
    "ServiceUnavailable": 503,
    "SignatureDoesNotMatch": 403,
    "SlowDown": 503,
    "XAmzContentSHA256Mismatch": 400,
}

_CODES = {
    ErrorCode.INVALID_PARAMETER_VALUE: "InvalidArgument",
    ErrorCode.UNAUTHENTICATED: "InvalidToken",
    ErrorCode.PERMISSION_DENIED: "AccessDenied",
    ErrorCode.RESOURCE_DOES_NOT_EXIST: "NoSuchKey",
    ErrorCode.FILE_NOT_FOUND: "NoSuchKey",
    ErrorCode.ENDPOINT_NOT_FOUND: "NoSuchKey",
    ErrorCode.RESOURCE_ALREADY_EXISTS: "OperationAborted",
    ErrorCode.RESOURCE_CONFLICT: "OperationAborted",
    # A version that is READY, or not yet: object stores say the same of an object under a retention lock.
    ErrorCode.INVALID_STATE: "AccessDenied",
    ErrorCode.PAYLOAD_TOO_LARGE: "EntityTooLarge",
    ErrorCode.RESOURCE_EXHAUSTED: "SlowDown",
    ErrorCode.TEMPORARILY_UNAVAILABLE: "ServiceUnavailable",
    ErrorCode.NOT_IMPLEMENTED: "NotImplemented",
}


class S3Error(Exception):
    """A refusal that only this protocol knows; `code` is one of S3's."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def error_answer(request: HttpRequest, error: Exception) -> HttpResponse:
    """The answer for an error, whatever it is; what nobody expected is logged and tells the caller nothing."""
    code, message = _describe(error)
    fields = [
        ("Code", code),
        ("Message", message),
        ("Resource", request.path),
        ("RequestId", context_of(request).request_id),
    ]
    response = HttpResponse(document("Error", fields), status=_STATUS[code], content_type="application/xml")
    if response.status_code == 503:
        response["Retry-After"] = "1"
    return response


def _describe(error: Exception) -> tuple[str, str]:
    match error:
        case S3Error():
            return error.code, error.message
        case UploadMissing():
            return "NoSuchUpload", error.message
        case ExpiredLease():
            return "ExpiredToken", error.message
        case InvalidParameter(field="parts"):
            return "InvalidPart", error.message
        case ModelkeepError():
            return _CODES[error.code], error.message
        case RequestDataTooBig():
            return "EntityTooLarge", "The request body is larger than a request of this kind may be."
        case UnreadablePostError():
            return "IncompleteBody", "The request body broke off, nothing was kept: send the request again."
        case OperationalError() | InterfaceError():
            logger.warning("database unavailable", exc_info=error)
            return "ServiceUnavailable", "The database is busy or restarting, and nothing was changed. Repeat it."
    logger.error("unexpected error", exc_info=error)
    return "InternalError", "Something failed on the server. Give your administrator the request id."
