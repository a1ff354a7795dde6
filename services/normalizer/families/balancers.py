"""Access logs of load balancers. Only the first has stock rules beyond the mark of an AWS log."""

import re

from services.normalizer.families.columns import columns_of, named
from services.normalizer.families.family import Context, Findings
from services.normalizer.families.records import sourced

ALB = (
    *("type", "time", "elb", "client_port", "target_port", "request_processing_time", "target_processing_time"),
    *("response_processing_time", "elb_status_code", "target_status_code", "received_bytes", "sent_bytes", "request"),
    *("user_agent", "ssl_cipher", "ssl_protocol", "target_group_arn", "trace_id", "domain_name", "chosen_cert_arn"),
    *("matched_rule_priority", "request_creation_time", "action_executed", "redirect_url", "error_reason"),
    *("target_port_list", "target_status_code_list", "classification", "classification_reason", "conn_trace_id"),
    *("transformed_host", "transformed_uri", "request_transform_status"),
)
CLB = (
    *("time", "elb", "client_port", "backend_port", "request_processing_time", "backend_processing_time"),
    *("response_processing_time", "elb_status_code", "backend_status_code", "received_bytes", "sent_bytes", "request"),
    *("user_agent", "ssl_cipher", "ssl_protocol"),
)
NLB = (
    *("type", "version", "time", "elb", "listener", "client_port", "destination_port", "connection_time"),
    *("tls_handshake_time", "received_bytes", "sent_bytes", "incoming_tls_alert", "chosen_cert_arn"),
    *("chosen_cert_serial", "tls_cipher", "tls_protocol_version", "tls_named_group", "domain_name", "alpn_fe_protocol"),
    *("alpn_be_protocol", "alpn_client_preference_list", "tls_connection_creation_time"),
)
_FEWEST_ALB, _FEWEST_NLB = 29, 20

_ALB_TYPE = re.compile(rb"(?:https?|h2|grpcs|wss?) (?=\d{4}-\d\d-\d\dT)")
_NLB_TYPE = re.compile(rb"tls \d\.\d (?=\d{4}-\d\d-\d\dT)")
_CLB_TIME = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,9}Z [^ ]+ [^ ]+:\d{1,5} ")


def alb(log: bytes, _context: Context) -> Findings | None:
    """Shape a line of an Application Load Balancer."""
    columns = columns_of(log) if _ALB_TYPE.match(log) else []
    if len(columns) < _FEWEST_ALB:
        return None
    return _finding("alb", named(ALB, columns), ("client", "target", "target_list"))


def clb(log: bytes, _context: Context) -> Findings | None:
    """Shape a line of a Classic Load Balancer."""
    columns = columns_of(log) if _CLB_TIME.match(log) else []
    return _finding("clb", named(CLB, columns)) if len(columns) == len(CLB) else None


def nlb(log: bytes, _context: Context) -> Findings | None:
    """Shape a line of a Network Load Balancer."""
    columns = columns_of(log) if _NLB_TYPE.match(log) else []
    if len(columns) < _FEWEST_NLB:
        return None
    return _finding("nlb", named(NLB, columns), ("client", "destination"))


def _finding(source: str, record: dict[str, str], peers: tuple[str, ...] = ()) -> Findings:
    for peer in peers:
        place, _, rest = peer.partition("_")
        rest = rest and f"_{rest}"
        _split(record, f"{place}_port{rest}", f"{place}_ip{rest}")
    return Findings((sourced(source, record),))


def _split(record: dict[str, str], port: str, address: str) -> None:
    """Split `address:port`, of which there may be several, into two members; `-` stays."""
    pairs = [pair.rpartition(":") for pair in record[port].split(" ")]
    if all(before and after for before, _, after in pairs):
        record[port] = " ".join(after for _, _, after in pairs)
        record[address] = " ".join(before.strip("[]") for before, _, _ in pairs)
