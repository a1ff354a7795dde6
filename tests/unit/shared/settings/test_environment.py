"""What the environment says."""

from shared.settings.convert import Given
from shared.settings.environment import scalars, source, unknown, without_empty


def test_an_empty_variable_is_none() -> None:
    """Compose files pass on `${VARIABLE:-}`."""
    assert {"B": "x y"} == without_empty({"A": "", "B": " x y\n", "C": "  "})


def test_our_own_name_comes_before_the_usual_one() -> None:
    """REDIS_URL may be meant for another program."""
    both = {"CWPIPE_REDIS_URL": "redis://a", "REDIS_URL": "redis://b"}

    assert {"redis_url": Given("redis://a", "CWPIPE_REDIS_URL")} == scalars(both)
    assert {"redis_url": Given("redis://b", "REDIS_URL")} == scalars({"REDIS_URL": "redis://b"})


def test_groups_and_regions_make_a_source() -> None:
    """Ours before AWS's own, which name one region."""
    environ = {"CWPIPE_LOG_GROUPS": "a, b*,,", "AWS_DEFAULT_REGION": "eu-west-1"}
    expected = {
        "name": Given("environment", "CWPIPE_LOG_GROUPS"),
        "log_groups": Given(["a", "b*"], "CWPIPE_LOG_GROUPS"),
    }

    assert expected | {"regions": Given(["eu-west-1"], "AWS_DEFAULT_REGION")} == source(environ)
    assert expected | {"regions": Given(["eu-west-2"], "AWS_REGION")} == source(environ | {"AWS_REGION": "eu-west-2"})
    assert expected | {"regions": Given(["a-b-1", "a-b-2"], "CWPIPE_REGIONS")} == source(
        environ | {"AWS_REGION": "eu-west-2", "CWPIPE_REGIONS": "a-b-1,a-b-2"}
    )


def test_without_groups_there_is_no_source() -> None:
    """AWS_REGION alone is set on most machines that use AWS."""
    assert source({"AWS_REGION": "eu-west-1"}) is None


def test_a_variable_that_nothing_reads_is_found() -> None:
    """The extra ones and those of other programs are not among them."""
    environ = {"CWPIPE_LOG_LEVL": "x", "CWPIPE_A": "x", "CWPIPE_CONFIG": "x", "CWPIPE_LOG_GROUPS": "x", "PATH": "x"}

    assert ["CWPIPE_A", "CWPIPE_LOG_LEVL"] == unknown(environ)


def test_what_kubernetes_adds_for_a_service_is_not_ours() -> None:
    """It gives every pod of the namespace these names, and no pod could start."""
    links = {
        "CWPIPE_METRICS_SERVICE_HOST": "10.0.0.1",
        "CWPIPE_METRICS_SERVICE_PORT": "9108",
        "CWPIPE_METRICS_SERVICE_PORT_HTTP": "9108",
        "CWPIPE_METRICS_PORT": "tcp://10.0.0.1:9108",
        "CWPIPE_METRICS_PORT_9108_TCP_ADDR": "10.0.0.1",
    }

    assert [] == unknown(links)
    assert ["CWPIPE_METRICS_PORT"] == unknown({"CWPIPE_METRICS_PORT": "9108"})
