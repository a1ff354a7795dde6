"""Every metric of every role, listed once; served for Prometheus where `metrics_address` says so.

Names follow Prometheus: a unit at the end, `_total` for what only grows. A role counts only what it does itself.
"""

from prometheus_client import Counter, Gauge, Histogram, start_http_server

from shared.errors import Unreachable

API_CALLS = Counter("cwpipe_api_calls", "Calls to AWS.", ["region", "operation"])
EVENTS_FETCHED = Counter("cwpipe_fetched_events", "Events read from CloudWatch Logs, repeats included.")
EVENTS_DUPLICATE = Counter("cwpipe_duplicate_events", "Events that had been read before.")
STREAMS_DELETED = Counter("cwpipe_deleted_streams", "Log streams deleted at AWS after their delivery.")
GROUPS_FAULTY = Gauge("cwpipe_faulty_groups", "Groups and sources that cannot be read now.")
EVENTS_NORMALIZED = Counter("cwpipe_normalized_events", "Events made into datagrams.")
EVENTS_DISCARDED = Counter("cwpipe_discarded_events", "Events dropped by a discard or keep rule.")
EVENTS_DEAD = Counter("cwpipe_dead_lettered_events", "Events that became dead letters.", ["reason"])
EVENTS_DELIVERED = Counter("cwpipe_delivered_events", "Events whose delivery was confirmed.")
DATAGRAMS_SENT_AGAIN = Counter("cwpipe_sent_again_datagrams", "Datagrams sent again after a doubt.")
RECEIVER_WAIT = Counter("cwpipe_receiver_wait_seconds", "Time spent waiting for the receiver.")
CONFIRM = Histogram("cwpipe_confirm_seconds", "Time from sending a window of events to its confirmation.")
LAG = Gauge("cwpipe_lag_seconds", "Now less the newest timestamp of the batch delivered last.")

#: Each role of a host has a port of its own, counted from the configured one.
_PORT_OFFSETS = {"fetcher": 0, "normalizer": 1, "forwarder": 2}


def serve(address: str, role: str) -> None:
    """Serve this process's metrics at `address` ("host:port"), the port moved by the role; empty: not at all.

    Raises Unreachable when the port is taken.
    """
    if not address:
        return
    host, _, port = address.rpartition(":")
    wanted = int(port) + _PORT_OFFSETS[role]
    try:
        start_http_server(wanted, host.strip("[]"))
    except OSError as error:
        raise Unreachable(
            f"metrics_address: cannot listen on {host}:{wanted} for the {role}: {error.strerror}"
        ) from None
