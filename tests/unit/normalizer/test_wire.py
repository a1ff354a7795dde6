"""The frame of a datagram."""

from services.normalizer.wire import header


def test_the_location_ends_at_the_last_colon_of_the_header() -> None:
    """analysisd takes the first colon without a bar before it; every other one must have its bar."""
    assert b"1:Wazuh-AWS|:us-east-1|:/app|:a|:b:" == header("Wazuh-AWS:us-east-1:/app:a:b")


def test_the_location_of_wazuhs_own_module_needs_nothing() -> None:
    """analysisd counts events of exactly this location as its module's."""
    assert b"1:Wazuh-AWS:" == header("Wazuh-AWS")
