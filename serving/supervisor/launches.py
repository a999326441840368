"""From a served entity to the confined process that answers for it."""

from dataclasses import dataclass, replace
from pathlib import Path
from uuid import UUID

from serving import runtime
from serving.host.wire import Launch, SpareKind
from serving.sandbox import SandboxSpec
from serving.services.replica_logs import log_path
from serving.services.wanted_replicas import LaunchFacts, WantedEntity
from serving.supervisor.devices import NEEDED, device_files

RUNTIME = Path(runtime.__file__).parent
PROCESSES_PER_UNIT = 64


@dataclass(frozen=True)
class Limits:
    """What replicas may have, from the settings. Bytes and seconds."""

    scratch: Path
    memory_bytes_per_unit: int
    tmp_bytes: int
    timeout_seconds: float
    load_seconds: float
    attempts: int
    spares: int
    network: bool


def launch_of(
    identity: UUID,
    facts: LaunchFacts,
    entity: WantedEntity,
    *,
    sockets: Path,
    devices: tuple[int, ...],
    limits: Limits,
) -> Launch:
    """The process of one replica: the runtime, in the model's environment, with the entity's variables."""
    command = [
        *(str(facts.python), "-I", str(RUNTIME)),
        *("--model", "{model}"),
        *("--socket", "{sockets}/s"),
        *("--concurrency", str(entity.units)),
        *("--timeout", str(limits.timeout_seconds)),
        *("--name", facts.name),
        *("--version", facts.version),
    ]
    if entity.micro_batching:
        command.append("--batch")
    spec = replace(
        _confined(facts, entity, devices=devices, limits=limits),
        command=tuple(command),
        read_only=(RUNTIME, facts.model),
        sockets=sockets,
    )
    kind = spare_of(facts, entity, limits=limits)
    return Launch(
        id=str(identity),
        spec=spec,
        log=log_path(identity),
        note={"pool": entity.pool, "entity": str(entity.id), "devices": ",".join(map(str, devices))},
        model=facts.model,
        spare=kind.name if kind is not None else "",
    )


def spare_of(facts: LaunchFacts, entity: WantedEntity, *, limits: Limits) -> SpareKind | None:
    """The spare that could become a replica of this entity. None for one with variables of its own, which libraries
    may read when they are imported, or with a GPU, which a spare would keep from others."""
    if not limits.spares or facts.environment or entity.workload_type in NEEDED:
        return None
    spec = replace(
        _confined(facts, entity, devices=(), limits=limits),
        command=(str(facts.python), "-I", str(RUNTIME), "--spare"),
        read_only=(RUNTIME,),
    )
    return SpareKind(name=f"{facts.python} {entity.units}", spec=spec)


def _confined(facts: LaunchFacts, entity: WantedEntity, *, devices: tuple[int, ...], limits: Limits) -> SandboxSpec:
    return SandboxSpec(
        command=(str(facts.python),),
        environment={
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            **facts.environment,
            "CUDA_VISIBLE_DEVICES": ",".join(map(str, devices)),
        },
        memory_bytes=limits.memory_bytes_per_unit * entity.units,
        tmp_bytes=limits.tmp_bytes,
        processes=PROCESSES_PER_UNIT * entity.units,
        network=limits.network,
        devices=device_files(devices),
        scratch=limits.scratch,
    )
