"""What is to be written to the database, kept while it is away: only the newest state of each row counts."""

from collections.abc import Callable
from uuid import UUID

from serving.services.replica_records import DeploymentChange, ReplicaRecord, write_deployments, write_replicas


class Ledger:
    """Filled by the fleet in the event loop, emptied by `flush` in the database's thread, one flush at a time."""

    def __init__(self) -> None:
        self._replicas: dict[UUID, ReplicaRecord] = {}
        self._deployments: dict[UUID, DeploymentChange] = {}

    def add_replica(self, record: ReplicaRecord) -> None:
        """A replica's newest state."""
        self._replicas[record.id] = record

    def add_deployment(self, change: DeploymentChange) -> None:
        """An entity's newest state."""
        self._deployments[change.entity_id] = change

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not self._replicas and not self._deployments

    def take(self) -> Callable[[], None]:
        """What writes everything that is there now. When that fails, give it back with `put_back`."""
        replicas, self._replicas = self._replicas, {}
        deployments, self._deployments = self._deployments, {}
        self._taken = (replicas, deployments)

        def write() -> None:
            write_replicas(list(replicas.values()))
            write_deployments(list(deployments.values()))

        return write

    def put_back(self) -> None:
        """What was taken could not be written; what came later is newer."""
        replicas, deployments = self._taken
        self._replicas = replicas | self._replicas
        self._deployments = deployments | self._deployments
