"""Links to the data of traces, for clients that ask for a place to put it instead of sending it through."""

from registry.errors import InvalidParameter, NotFound
from registry.models import ExperimentLevel
from registry.services import tracking
from registry.services.actors import Actor
from registry.services.audit import audited_read
from registry.services.experiments import require_level
from registry.services.file_links import expiry
from registry.storage.signing import Claim, Target, sign

TRACE_DATA = "traces.json"


@audited_read
def create_trace_link(*, actor: Actor, trace_id: str, path: str = "", for_write: bool = False) -> str:
    """A signed text that reads or writes one file of a trace: its data, or the attachment at `path`.

    The right on the experiment is checked now and again when the link is used.

    Raises:
        NotFound: no such trace, or one in an experiment that the actor may not read.
        AccessDenied: writing needs CAN_EDIT.
        InvalidParameter: a path that leaves the trace's folder.
    """
    missing = tracking.missing_trace(trace_id)
    experiment_id = tracking.trace_experiments([trace_id]).get(trace_id)
    if experiment_id is None:
        raise NotFound(missing)
    level = ExperimentLevel.CAN_EDIT if for_write else ExperimentLevel.CAN_READ
    require_level(actor=actor, experiment_id=experiment_id, level=level, hidden_as=missing)
    tree = tracking.clean_path(f"{experiment_id}/traces/{trace_id}/artifacts/{path or TRACE_DATA}")
    if tree is None or "/" in trace_id:
        raise InvalidParameter("'path' must be a relative path inside the trace.", field="path")
    method = "PUT" if for_write else "GET"
    expires = expiry(actor, None)
    return sign(Claim(method, Target.TREE_FILE, experiment_id, tree, actor.principal.pk, expires, actor.token_id))
