"""Signed links: whoever holds one may do exactly one thing to one file for a while, and nothing else."""

from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum

from django.core import signing

from registry.errors import AccessDenied

_SALT = "modelkeep.files"


class Target(StrEnum):
    """What a link leads to."""

    VERSION_FILE = "version"
    """`subject` is the version's id, `path` the file in it."""
    TREE_FILE = "tree"
    """A file of a run or logged model: `subject` is the experiment's id, `path` lies below the tracking root."""
    PART = "part"
    """`subject` is the upload's id, `path` the part's number."""
    UPLOAD = "upload"
    """`subject` is the upload's id; used to abort it."""


@dataclass(frozen=True)
class Claim:
    """Everything that a link is bound to. `expires` is in seconds since 1970.

    `token` is the id of the API token that it was asked for with; empty for a session or a password.
    """

    method: str
    target: Target
    subject: str
    path: str
    principal: int
    expires: int
    token: str = ""


class BrokenLink(AccessDenied):
    """The link was not signed by this server, or was changed, or is used with another method."""


class ExpiredLink(AccessDenied):
    """The link was good once."""


def sign(claim: Claim) -> str:
    """The claim as text that fits into a URL and cannot be changed unnoticed."""
    return _signer().sign_object(asdict(claim))


def verify(text: str, *, method: str, now: datetime) -> Claim:
    """The claim behind a signed text.

    Raises:
        BrokenLink: not signed by this server, or signed for another method.
        ExpiredLink: past its time.
    """
    try:
        data = _signer().unsign_object(text)
        claim = Claim(**{field.name: data[field.name] for field in fields(Claim)})
    except (signing.BadSignature, ValueError, KeyError, TypeError) as error:
        raise BrokenLink("This link is not valid: ask for a new one.") from error
    if method != claim.method and (method, claim.method) != ("HEAD", "GET"):
        raise BrokenLink(f"This link is for {claim.method} only.")
    if now.timestamp() >= claim.expires:
        raise ExpiredLink("This link has expired: ask for a new one.")
    return claim


def _signer() -> signing.Signer:
    return signing.Signer(salt=_SALT, sep=".")
