"""Imports registered models from another MLflow server or workspace registry."""

import json
import os
import threading
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from registry.errors import ModelkeepError
from registry.models import Operation, OperationState
from registry.services.import_mapping import DEFAULT_STAGES
from registry.services.imports import ImportRequest, problems, submit_import
from registry.services.operation_runner import run_operation
from registry.services.shell_actors import actor_for_command

TOKEN = "MODELKEEP_IMPORT_TOKEN"  # noqa: S105  (the name of a variable)
_LOOK_EVERY_SECONDS = 1.0


class Command(BaseCommand):
    """Exit code 0: everything is here. 2: some model or version is not; the output says which and why."""

    help = (
        "Import registered models from another MLflow tracking server or workspace registry: versions with their "
        "numbers, files, tags, descriptions and aliases; stages become aliases. Run it again to go on: what is here "
        f"is skipped. The token may be given as {TOKEN} instead of --token, so that no list of processes shows it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add where from, where to, and how."""
        parser.add_argument("--from", dest="source_url", required=True, metavar="URL", help="the other server")
        parser.add_argument("--token", default="", help=f"its token; default: {TOKEN} of the environment")
        parser.add_argument("--username", default="", help="for basic authentication: the token is its password")
        parser.add_argument("--into", default="", metavar="CATALOG.SCHEMA", help="the schema to import into")
        parser.add_argument("--model", nargs="+", default=[], metavar="NAME", help="only these; default: all")
        parser.add_argument("--stage", nargs="+", default=[], metavar="STAGE=ALIAS", help=f"default: {_stages()}")
        parser.add_argument("--as", dest="user", default="", metavar="USER", help="default: the first administrator")
        parser.add_argument("--dry-run", action="store_true", help="write nothing, tell what would be done")
        parser.add_argument("--report", default="", metavar="FILE", help="write the whole report there, as JSON")
        parser.add_argument(
            "--allow-private", action="store_true", help="the server may be inside this network, or on this machine"
        )

    def handle(self, **options: Any) -> None:
        """Submit the import and run it here, or follow the worker that was quicker."""
        wanted = ImportRequest(
            source_url=options["source_url"],
            token=options["token"] or os.environ.get(TOKEN, ""),
            username=options["username"],
            into=options["into"],
            models=options["model"],
            stages={**DEFAULT_STAGES, **dict(_stage(text) for text in options["stage"])},
            dry_run=options["dry_run"],
            allow_private=options["allow_private"],
        )
        try:
            actor = actor_for_command("import_mlflow", user=options["user"])
            operation = submit_import(actor=actor, wanted=wanted)
        except ModelkeepError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"operation {operation.pk}")
        self._await(operation)
        self._tell(operation, options["report"])

    def _await(self, operation: Operation) -> None:
        """An interrupted import is taken up by a worker, or by running the command again."""
        run_operation(operation_id=operation.pk, worker="import_mlflow")
        pause = threading.Event()
        operation.refresh_from_db()
        while operation.finished_at is None:
            pause.wait(_LOOK_EVERY_SECONDS)
            operation.refresh_from_db()
            # A source that was away for a moment leaves the operation to a later attempt.
            run_operation(operation_id=operation.pk, worker="import_mlflow")

    def _tell(self, operation: Operation, report: str) -> None:
        operation.refresh_from_db()
        if operation.state != OperationState.SUCCEEDED:
            raise CommandError(f"The import has {operation.state}: {operation.error}")
        result = operation.result
        if report:
            Path(report).write_text(json.dumps(result, indent=2) + "\n")
        for line in problems(result):
            self.stdout.write(f"  {line}")
        counts = result["counts"]
        would = "would be " if result["dry_run"] else ""
        self.stdout.write(
            f"{counts['models']} models: {counts['imported']} versions {would}imported, "
            f"{counts['present']} here before, {counts['failed']} failed"
        )
        if counts["failed"] or counts["models_failed"]:
            raise CommandError("Not everything could be imported: see above.", returncode=2)


def _stages() -> str:
    return " ".join(f"{stage}={alias}" for stage, alias in DEFAULT_STAGES.items())


def _stage(text: str) -> tuple[str, str]:
    stage, separator, alias = text.partition("=")
    if not stage or not separator:
        raise CommandError(f"'--stage {text}': write it as STAGE=ALIAS, or STAGE= for no alias.")
    return stage, alias
