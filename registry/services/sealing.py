"""Secrets that wait in the database for a worker: sealed with a key that only this installation's settings give."""

import base64

from cryptography.fernet import Fernet, InvalidToken
from django.utils.crypto import salted_hmac

from registry.errors import InvalidState


def _cipher(purpose: str) -> Fernet:
    digest = salted_hmac(f"modelkeep.sealed.{purpose}", "", algorithm="sha256").digest()
    return Fernet(base64.urlsafe_b64encode(digest))


def seal(text: str, *, purpose: str) -> str:
    """The text, unreadable without this installation's secret key."""
    return _cipher(purpose).encrypt(text.encode()).decode()


def unseal(sealed: str, *, purpose: str) -> str:
    """What was sealed for the same purpose.

    Raises:
        InvalidState: it was changed, or sealed under another secret key.
    """
    try:
        return _cipher(purpose).decrypt(sealed.encode()).decode()
    except InvalidToken as error:
        raise InvalidState(
            "The stored secret cannot be read: this installation's secret key has changed. Ask for it again."
        ) from error
