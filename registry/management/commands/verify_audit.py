"""Checks the audit trail: nothing was changed, removed or cut off."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.services.audit import CHAINS, missing_heads, verify_chains


class Command(BaseCommand):
    """Exit code 0: the trail is whole. 1: it is not, and each fault is printed."""

    help = (
        "Walk the audit trail from its first row and check every hash. Keep the heads that this prints somewhere "
        "else and give them back with --expect-head: that also finds a trail that was cut at its end."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add --expect-head."""
        parser.add_argument(
            "--expect-head",
            action="append",
            default=[],
            metavar="CHAIN:HASH",
            help="a head that an earlier run printed; may be given several times",
        )

    def handle(self, *_args: Any, expect_head: list[str], **_options: Any) -> None:
        """Check, print, and fail on any fault."""
        expected = [_parse(text) for text in expect_head]
        count, faults, heads = verify_chains()
        faults += missing_heads(expected)
        self.stdout.write(f"{count} rows read in {len(heads)} chains")
        for chain, hash_ in sorted(heads.items()):
            self.stdout.write(f"head {chain}:{hash_}")
        for fault in faults:
            self.stderr.write(f"FAULT chain {fault.chain}, row {fault.sequence}: {fault.problem}")
        if faults:
            raise CommandError(f"The audit trail is damaged: {len(faults)} faults.", returncode=1)
        self.stdout.write("The audit trail is whole.")


def _parse(text: str) -> tuple[int, str]:
    chain, _, hash_ = text.partition(":")
    if not chain.isdecimal() or int(chain) >= CHAINS or len(hash_) != 64:
        raise CommandError(f"'--expect-head {text}': write it as an earlier run printed it, CHAIN:HASH.")
    return int(chain), hash_.lower()
