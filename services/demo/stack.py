"""The settings of the compose stack's demo: python -m services.demo.stack, once, into the volumes the roles share."""

import sys
from pathlib import Path

SETTINGS = """\
# Written by the profile `demo`. docker compose --profile demo down --volumes takes it away.
[wazuh]
queue_socket = "/run/cwpipe/demo/queue"

[[sources]]
name               = "demo"
regions            = ["us-east-1", "eu-west-1"]
log_groups         = ["/demo/*"]
only_logs_after    = "1d"
poll_interval      = "2s"
discovery_interval = "5s"
endpoint_url       = "http://demo-cloudwatch:5000"
"""
CREDENTIALS = "[default]\naws_access_key_id = demo\naws_secret_access_key = demo\n"


def main() -> int:
    """Write both files."""
    Path("/run/cwpipe/settings/cwpipe.toml").write_text(SETTINGS)
    Path("/run/aws/credentials").write_text(CREDENTIALS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
