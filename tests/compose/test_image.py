"""What is in the image, and what is not."""

import json

from tests.compose.stack import Stack

MAX_BYTES = 60_000_000


def test_what_we_add_to_pythons_image_is_small(built: Stack) -> None:
    """It is pulled to every host that runs a role."""
    base = built.docker("image", "inspect", "--format", "{{.Size}}", "python:3.12-slim-bookworm")
    whole = built.docker("image", "inspect", "--format", "{{.Size}}", built.image)

    assert int(whole) - int(base) < MAX_BYTES


def test_nothing_that_only_a_build_needs_is_left(built: Stack) -> None:
    """No compiler, no installer and no cache of ours: what is not there cannot be turned against us."""
    found = built.docker(
        *("run", "--rm", "--network", "none", "--entrypoint", "sh", built.image, "-c"),
        "ls -d /build /opt/uv /root/.cache /tmp/* /opt/*/bin/pip* 2>/dev/null; command -v gcc cc uv; ls /opt/cwpipe/bin",
    )

    assert ["cwpipe", "python", "python3", "python3.12"] == found.split()


def test_it_runs_as_nobody_in_particular_and_starts_cwpipe(built: Stack) -> None:
    """Whoever runs the image without our compose file is no root either."""
    config = json.loads(built.docker("image", "inspect", built.image))[0]["Config"]

    assert ("10001:10001", ["cwpipe"]) == (config["User"], config["Entrypoint"])


def test_credentials_of_roles_and_of_single_sign_on_still_work(built: Stack) -> None:
    """Most of boto3's data is taken out: what its credentials are asked for with must be left."""
    made = "import boto3; [boto3.client(name, region_name='us-east-1') for name in ('logs', 'sts', 'sso', 'sso-oidc')]"
    built.docker(
        *("run", "--rm", "--read-only", "--network", "none", "--entrypoint", "python", built.image, "-c", made)
    )
