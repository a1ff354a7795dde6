"""S3 server access logs."""

import re

from services.normalizer.families.columns import columns_of, named
from services.normalizer.families.family import Context, Findings
from services.normalizer.families.records import sourced

COLUMNS = (
    *("bucket_owner", "bucket", "time", "remote_ip", "requester", "request_id", "operation", "key", "request_uri"),
    *("http_status", "error_code", "bytes_sent", "object_sent", "total_time", "turn_around_time", "referer"),
    *("user_agent", "version_id", "host_id", "signature_version", "cipher_suite", "authentication_type"),
    *("host_header", "tls_version", "access_point_arn", "acl_required"),
)
_FEWEST = 18
_START = re.compile(rb"(?:[0-9a-f]{64}|-) [a-z0-9.-]{3,63} \[\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] ")


def s3access(log: bytes, _context: Context) -> Findings | None:
    """Shape a line."""
    columns = columns_of(log) if _START.match(log) else []
    if len(columns) < _FEWEST:
        return None
    return Findings((sourced("s3_server_access", named(COLUMNS, columns)),))
