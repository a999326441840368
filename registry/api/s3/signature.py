"""AWS Signature Version 4: what a request says of its signature, and whether it is right.

As in "Authenticating Requests: Using the Authorization Header" and "Using Query Parameters" of the S3 API reference.
Any region is taken, since there is only one here; the service must be s3.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import quote, unquote

from django.http import HttpRequest

from registry.api.s3.errors import S3Error

ALGORITHM = "AWS4-HMAC-SHA256"
UNSIGNED = "UNSIGNED-PAYLOAD"
MAX_SKEW = timedelta(minutes=15)
MAX_PRESIGNED_SECONDS = 7 * 24 * 3600
_CREDENTIAL = re.compile(r"(?P<key>[^/\s]{1,128})/(?P<date>\d{8})/(?P<region>[^/\s]{1,64})/s3/aws4_request")
_SIGNATURE = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Signature:
    """What a request says of its signature. Nothing of it is checked yet.

    `amz_date` is the time as the client wrote it, `scope` the credential scope; `expires` is set for presigned URLs
    alone, in seconds.
    """

    access_key_id: str
    session_token: str
    amz_date: str
    scope: str
    signed_headers: tuple[str, ...]
    value: str
    payload: str
    expires: int | None = None

    @property
    def moment(self) -> datetime:
        """When the client signed. Raises S3Error."""
        try:
            return datetime.strptime(self.amz_date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        except ValueError as error:
            raise S3Error("AccessDenied", "'X-Amz-Date' must be written as 20300131T120000Z.") from error


@dataclass(frozen=True)
class SigningKey:
    """The key of one day and region, and the signature that it verified: what signed pieces of a body hang on."""

    key: bytes
    signature: Signature

    def sign(self, text: str) -> str:
        """The signature of a text."""
        return hmac.new(self.key, text.encode(), hashlib.sha256).hexdigest()


def query_of(request: HttpRequest) -> list[tuple[str, str]]:
    """The query's parameters in order. A plus is a plus here: clients of this protocol write spaces as %20."""
    pieces = [piece.partition("=") for piece in request.META.get("QUERY_STRING", "").split("&") if piece]
    return [(unquote(name), unquote(value)) for name, _, value in pieces]


def read_signature(request: HttpRequest) -> Signature:
    """What the Authorization header or the query says.

    Raises:
        S3Error: neither is there, or it cannot be read.
    """
    query = dict(query_of(request))
    if "Authorization" in request.headers:
        return _from_header(request)
    if "X-Amz-Signature" in query:
        return _from_query(query)
    raise S3Error("AccessDenied", "Sign the request with temporary credentials of this server (Signature Version 4).")


def _from_header(request: HttpRequest) -> Signature:
    scheme, _, rest = request.headers["Authorization"].partition(" ")
    if scheme != ALGORITHM:
        raise S3Error("AccessDenied", f"Sign the request with {ALGORITHM}: no other credential opens this door.")
    pairs = [piece.strip().partition("=") for piece in rest.split(",")]
    given = {name: value for name, _, value in pairs}
    payload = request.headers.get("X-Amz-Content-Sha256", "")
    if not payload:
        raise S3Error("InvalidRequest", "The header x-amz-content-sha256 is missing.")
    return _signature(
        credential=given.get("Credential", ""),
        signed_headers=given.get("SignedHeaders", ""),
        value=given.get("Signature", ""),
        amz_date=request.headers.get("X-Amz-Date", ""),
        session_token=request.headers.get("X-Amz-Security-Token", ""),
        payload=payload,
    )


def _from_query(query: Mapping[str, str]) -> Signature:
    if query.get("X-Amz-Algorithm") != ALGORITHM:
        raise S3Error("AccessDenied", f"'X-Amz-Algorithm' must be {ALGORITHM}.")
    expires = query.get("X-Amz-Expires", "")
    if not re.fullmatch(r"[0-9]{1,6}", expires) or not 1 <= int(expires) <= MAX_PRESIGNED_SECONDS:
        raise S3Error("AccessDenied", f"'X-Amz-Expires' must be 1 to {MAX_PRESIGNED_SECONDS} seconds.")
    return _signature(
        credential=query.get("X-Amz-Credential", ""),
        signed_headers=query.get("X-Amz-SignedHeaders", ""),
        value=query["X-Amz-Signature"],
        amz_date=query.get("X-Amz-Date", ""),
        session_token=query.get("X-Amz-Security-Token", ""),
        payload=UNSIGNED,
        expires=int(expires),
    )


def _signature(
    *,
    credential: str,
    signed_headers: str,
    value: str,
    amz_date: str,
    session_token: str,
    payload: str,
    expires: int | None = None,
) -> Signature:
    match = _CREDENTIAL.fullmatch(credential)
    if match is None or not _SIGNATURE.fullmatch(value):
        raise S3Error(
            "AuthorizationHeaderMalformed",
            "The signature needs Credential=<key>/<date>/<region>/s3/aws4_request, SignedHeaders and Signature.",
        )
    if match["date"] != amz_date[:8]:
        raise S3Error("AuthorizationHeaderMalformed", "The date of the credential is not that of X-Amz-Date.")
    if not session_token:
        raise S3Error("InvalidAccessKeyId", "This door takes temporary credentials only: send their session token.")
    return Signature(
        access_key_id=match["key"],
        session_token=session_token,
        amz_date=amz_date,
        scope=credential.partition("/")[2],
        signed_headers=tuple(signed_headers.split(";")),
        value=value,
        payload=payload,
        expires=expires,
    )


def check_signature(request: HttpRequest, signature: Signature, *, secret: str, now: datetime) -> SigningKey:
    """Let pass a request that was signed with this secret, lately.

    Raises:
        S3Error: another secret, or a path, query, header or method that was changed since; or out of time.
    """
    _check_coverage(request, signature)
    key = SigningKey(_derive(secret, signature.scope), signature)
    digest = hashlib.sha256(_canonical(request, signature).encode()).hexdigest()
    right = key.sign("\n".join([ALGORITHM, signature.amz_date, signature.scope, digest]))
    if not hmac.compare_digest(right, signature.value):
        raise S3Error(
            "SignatureDoesNotMatch",
            "The signature is not that of this request: check the secret key, and that nothing on the way changes "
            "the Host header or the path.",
        )
    _check_time(signature, now=now)
    return key


def _check_coverage(request: HttpRequest, signature: Signature) -> None:
    sent = {name.lower() for name in request.headers if name.lower().startswith("x-amz-")}
    unsigned = {"host", *sent} - set(signature.signed_headers)
    if unsigned:
        raise S3Error("AccessDenied", f"Headers that must be signed are not: {', '.join(sorted(unsigned))}.")


def _check_time(signature: Signature, *, now: datetime) -> None:
    moment = signature.moment
    if signature.expires is None:
        if abs(now - moment) > MAX_SKEW:
            raise S3Error(
                "RequestTimeTooSkewed", "The request was signed more than 15 minutes off this server's time."
            )
    elif moment - MAX_SKEW > now:
        raise S3Error("AccessDenied", "The URL is not valid yet.")
    elif now >= moment + timedelta(seconds=signature.expires):
        raise S3Error("AccessDenied", "Request has expired")


def _derive(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for step in scope.split("/"):
        key = hmac.new(key, step.encode(), hashlib.sha256).digest()
    return key


def _canonical(request: HttpRequest, signature: Signature) -> str:
    query = sorted(
        (_encoded(name), _encoded(value)) for name, value in query_of(request) if name != "X-Amz-Signature"
    )
    headers = [f"{name}:{_header(request, name)}\n" for name in signature.signed_headers]
    return "\n".join(
        [
            request.method or "",
            quote(request.path, safe="/-_.~"),
            "&".join(f"{name}={value}" for name, value in query),
            "".join(headers),
            ";".join(signature.signed_headers),
            signature.payload,
        ]
    )


def _encoded(text: str) -> str:
    return quote(text, safe="-_.~")


def _header(request: HttpRequest, name: str) -> str:
    return " ".join(request.headers.get(name, "").split())
