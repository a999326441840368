"""Files that clients write to the object store itself, with links that we sign, until we take them in.

A link may write again until it expires, and the object store does not tell us. So nothing that a link leads to is
ever a file of a version: what is taken in is a copy that no link leads to, under a digest that we computed of it.
"""

import re
import uuid
from collections.abc import Iterator
from urllib.parse import quote, unquote

from django.conf import settings

from registry.errors import TooLarge
from registry.storage.incoming import Received, check_limit
from registry.storage.s3 import arrivals
from registry.storage.s3.bucket import MAX_KEY_BYTES, Bucket, ObjectFacts, is_s3, signs_links
from registry.storage.s3.client import ObjectMissing
from registry.storage.s3.reads import ObjectReader

_DIRECT = "direct/"
_OWNER = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class DirectUploads:
    """Objects `direct/<owner>/<path>`: the path holds no character that a key or its listing could not carry."""

    def __init__(self, root: str) -> None:
        self._bucket = Bucket(root)

    def link(self, owner: str, path: str, *, seconds: int) -> str | None:
        """A URL that writes one file of an owner; None when the path is too long for a key."""
        name = _name(owner, path)
        if len(self._bucket.key(name)) > MAX_KEY_BYTES:
            return None
        return self._bucket.link("put_object", name, seconds=seconds)

    def paths(self, owner: str) -> Iterator[str]:
        """The paths of files that were written for an owner and not taken in yet."""
        prefix = _name(owner, "")
        for found in self._bucket.objects(prefix):
            yield unquote(found.name.removeprefix(prefix))

    def take(self, owner: str, path: str, *, limit: int) -> Received | None:
        """A file that was written for an owner; None when it is gone. Costs reading its bytes once.

        Raises:
            TooLarge: it has more bytes than `limit`, and was removed.
            Unavailable: the store is away, or the file is just being written again.
        """
        name = _name(owner, path)
        try:
            facts = self._bucket.facts(name)
            if facts.size > limit:
                self._bucket.delete(name)
                raise TooLarge(f"'{path}' is larger than the {limit} bytes that this server accepts.")
            return self._copy_of(facts, limit=limit)
        except ObjectMissing:
            return None

    def _copy_of(self, facts: ObjectFacts, *, limit: int) -> Received:
        if facts.size <= arrivals.PART_BYTES:
            with ObjectReader(self._bucket.open(facts.name, start=0, length=facts.size)) as source:
                return arrivals.receive(self._bucket, source, limit=facts.size, expected=facts.size)
        private = f"{arrivals.INCOMING}{uuid.uuid4()}"
        self._bucket.copy(self._bucket, facts, private)
        received = arrivals.adopt(self._bucket, private, lent=False)
        # A store without conditional copies may have copied what was written meanwhile.
        check_limit(received.size, limit)
        return received

    def drop(self, owner: str, path: str) -> None:
        """Remove a file that was taken in. While the store is away it stays, for the sweep."""
        self._bucket.delete_quietly(_name(owner, path))

    def owners(self) -> Iterator[str]:
        """Everybody for whom files lie here."""
        for found in self._bucket.children(_DIRECT):
            if isinstance(found, str) and _OWNER.fullmatch(found):
                yield found

    def sweep(self, owner: str, *, before: float, dry_run: bool) -> int:
        """Remove the files of an owner that were written before that time; returns how many."""
        removed = 0
        for found in self._bucket.objects(_name(owner, "")):
            if found.modified < before:
                removed += 1
                if not dry_run:
                    self._bucket.delete(found.name)
        return removed


def _name(owner: str, path: str) -> str:
    return f"{_DIRECT}{owner}/{quote(path, safe='/')}"


def direct_uploads() -> DirectUploads | None:
    """Where clients may write themselves; None when the store is a folder, or links to it are switched off."""
    root = str(settings.ARTIFACT_ROOT)
    return DirectUploads(root) if is_s3(root) and signs_links() else None
