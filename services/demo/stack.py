"""The settings of the compose stack's demo, written once into the volumes that its roles share.

python -m services.demo.stack SETTINGS_DIRECTORY AWS_DIRECTORY
"""

import argparse
import sys
from pathlib import Path

SETTINGS = """\
# Written by the profile `demo`. docker compose --profile demo down --volumes takes it away.
[wazuh]
queue_socket = "/run/cwpipe/demo/queue"
stats_socket = "/run/cwpipe/demo/analysis"

[[sources]]
name               = "demo"
regions            = ["us-east-1", "eu-west-1"]
log_groups         = ["/demo/*"]
only_logs_after    = "1d"
late_window        = "1d"
poll_interval      = "2s"
discovery_interval = "5s"
endpoint_url       = "http://demo-cloudwatch:5000"
profile            = "demo"
"""
#: The stand-in asks for some, and takes any. A profile of its own: none that the shell names is looked for.
CREDENTIALS = "[demo]\naws_access_key_id = demo\naws_secret_access_key = demo\n"


def main() -> int:
    """Write both files."""
    parser = argparse.ArgumentParser(description="Writes the settings and the credentials of the demo's stack.")
    parser.add_argument("settings", type=Path)
    parser.add_argument("aws", type=Path)
    arguments = parser.parse_args()
    (arguments.settings / "cwpipe.toml").write_text(SETTINGS)
    (arguments.aws / "credentials").write_text(CREDENTIALS)
    return 0


if __name__ == "__main__":
    sys.exit(main())
