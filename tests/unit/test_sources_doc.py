"""What docs/sources.md shows can be used as it is."""

import re
import ssl
from pathlib import Path

import pytest

from shared.settings.load import load

DOC = (Path(__file__).parents[2] / "docs/sources.md").read_text()
SNIPPETS = re.findall(r"```toml\n(.*?)```", DOC, re.DOTALL)


@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: re.findall(r'name = "(.*)"', snippet)[0])
def test_each_configuration_in_the_guide_is_valid(snippet: str, tmp_path: Path) -> None:
    """It is copied, and only then read."""
    bundle = tmp_path / "company.pem"
    authorities = ssl.create_default_context().get_ca_certs(binary_form=True)
    bundle.write_text("".join(ssl.DER_cert_to_PEM_cert(one) for one in authorities[:1]))
    file = tmp_path / "cwpipe.toml"
    file.write_text(snippet.replace("/etc/ssl/certs/company.pem", str(bundle)))

    assert load(file, {}).settings.sources


def test_every_option_about_aws_is_in_the_guide() -> None:
    """An option that nobody finds is none."""
    options = (
        *("exclude_log_groups", "log_stream_prefix", "filter_pattern", "unmask", "delete_log_streams", "account_id"),
        *("profile", "role_arn", "external_id", "role_duration", "endpoint_url", "sts_endpoint_url", "proxy_url"),
        *("ca_bundle", "discovery_interval"),
    )

    assert [] == [option for option in options if f"`{option}`" not in DOC and f"{option} =" not in DOC]
