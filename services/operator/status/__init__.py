"""`cwpipe status`: what is queued, who works, how each group does, and whether the books balance."""

from services.operator.status.collect import GroupStatus, QueueStatus, Status, read
from services.operator.status.render import lines

__all__ = ["GroupStatus", "QueueStatus", "Status", "lines", "read"]
