"""`cwpipe plan` and `cwpipe policy` as somebody runs them, against the stand-in; and the policy against what a run calls."""

import json
import re
from typing import Any

from tests.system.host import REGION, Host


def configure(host: Host, text: str) -> None:
    host.config.write_text(f'[wazuh]\nqueue_socket = "{host.receiver.path}"\nstats_socket = ""\n\n{text}')


def a_source(host: Host, name: str, *log_groups: str, **keys: str) -> str:
    given = {
        "regions": f'["{REGION}"]',
        "log_groups": json.dumps(log_groups),
        "endpoint_url": f'"{host.aws.endpoint_url}"',
    }
    lines = "\n".join(
        f"{key} = {value}" for key, value in (given | {"sts_endpoint_url": given["endpoint_url"]} | keys).items()
    )
    return f'[[sources]]\nname = "{name}"\n{lines}\n'


def plan(host: Host, code: int = 0) -> dict[str, Any]:
    done = host.shell.run("plan", "--json", "--without-metrics", "--config", host.config)
    assert code == done.exit_code, done.text
    assert 1 == done.out.count("\n")
    answer: dict[str, Any] = json.loads(done.out)
    return answer


def test_the_plan_says_who_owns_each_group_and_who_reads_none(host: Host) -> None:
    """No Redis and no receiver is needed, and no event is asked for but those of a millisecond of 1970."""
    for name in ("/app/shop", "/app/shared", "/other"):
        host.aws.create_group(REGION, name, retention_days=7 if name == "/app/shop" else None)
    configure(host, a_source(host, "first", "/app/s*") + a_source(host, "second", "/app/shared"))
    said = plan(host)

    by_name = {group["log_group"]: group for group in said["groups"]}
    assert {"/app/shop": ("first", []), "/app/shared": ("first", ["second"])} == {
        name: (group["source"], group["other_sources"]) for name, group in by_name.items()
    }
    assert (7, True, 2.0, 0.2) == tuple(
        by_name["/app/shop"][key]
        for key in ("retention_days", "readable", "polls_per_minute", "polls_per_minute_quiet")
    )
    assert ["/other"] == [group["log_group"] for group in said["unmatched"]]
    shares = {call["operation"]: (call["per_minute"], call["quota_per_minute"]) for call in said["calls"]}
    assert {"FilterLogEvents": (4.0, 1500), "DescribeLogGroups": (0.4, 600)} == shares
    assert 1 == said["fetchers"]
    read = [call.parameters for call in host.aws.calls if call.operation == "FilterLogEvents"]
    assert {(0, 0)} == {(call["startTime"], call["endTime"]) for call in read}


def test_what_cannot_be_read_is_named_and_ends_with_4(host: Host) -> None:
    """A class that nobody can read, a name that does not exist, a group that is denied; the rest is planned."""
    host.aws.create_group(REGION, "/app/good")
    host.aws.create_group(REGION, "/app/rare", log_class="INFREQUENT_ACCESS")
    host.aws.create_group(REGION, "/app/secret")
    host.aws.fail("FilterLogEvents", "AccessDeniedException", "not you", group="/app/secret")
    configure(host, a_source(host, "one", "/app/*", "/typo"))
    said = plan(host, code=4)

    assert {"/app/good": True, "/app/rare": False, "/app/secret": False} == {
        group["log_group"]: group["readable"] for group in said["groups"]
    }
    for name in ("/app/rare", "/app/secret", "/typo"):
        assert 1 == sum(name in fault for fault in said["faults"]), said["faults"]
    text = host.shell.run("plan", "--without-metrics", "--config", host.config)
    assert 4 == text.exit_code
    assert "AccessDeniedException" in text.out
    assert "INFREQUENT_ACCESS" in text.out


def test_calls_count_against_the_account_wherever_it_has_groups(host: Host) -> None:
    """A Region without a match is searched with the same credentials, so against the same account's quota."""
    host.aws.create_group(REGION, "/app/shop")
    configure(host, a_source(host, "one", "/app/*", regions=f'["{REGION}", "eu-west-1"]'))

    assert {"123456789012"} == {call["account_id"] for call in plan(host)["calls"]}


def test_metrics_out_of_reach_are_a_note(host: Host) -> None:
    """The plan is as good without."""
    host.aws.create_group(REGION, "/app/good", created_ms=1_700_000_000_000)
    configure(host, a_source(host, "one", "/app/*"))
    done = host.shell.run(
        "plan", "--json", "--config", host.config, env={"AWS_ENDPOINT_URL_CLOUDWATCH": "http://127.0.0.1:1"}
    )
    said = json.loads(done.out)

    assert 0 == done.exit_code, done.text
    assert said["bytes_a_day"] is None
    assert [True] == ["bytes a day are not known" in note for note in said["notes"]]


def test_a_region_that_does_not_answer_leaves_the_others(host: Host) -> None:
    """Sources are planned one by one."""
    host.aws.create_group(REGION, "/app/good")
    configure(
        host, a_source(host, "away", "/app/*", endpoint_url='"http://127.0.0.1:1"') + a_source(host, "one", "/app/good")
    )
    said = plan(host, code=4)

    assert ["/app/good"] == [group["log_group"] for group in said["groups"]]
    assert "source away" in said["faults"][0]


def test_the_policy_covers_every_call_of_a_run(host: Host) -> None:
    """Each call that the stand-in saw, of role and of its base, is one that the documents allow; nothing more is allowed."""
    role = "arn:aws:iam::210987654321:role/reader"
    host.aws.add_role(role, external_id="agreed")
    host.aws.put(REGION, "/app/shop", "web", [(1_700_000_000_000, "old")])
    host.aws.put(REGION, "/linked/db", "db", [(1_700_000_000_000, "old")], account="210987654321")
    configure(
        host,
        a_source(host, "own", "/app/s[hx]op", "/gone")
        + a_source(host, "other", "/linked/*", role_arn=f'"{role}"', external_id='"agreed"'),
    )
    done = host.shell.run("run", "--once", "--config", host.config, "--data-dir", host.data_dir)
    assert 4 == done.exit_code, done.text  # /gone is not there
    policies = {
        "123456789012": policy_of(host, "default"),
        "210987654321": policy_of(host, role),
    }

    made = {(call.account, call.operation, call.group) for call in host.aws.calls}
    assert {"AssumeRole", "DescribeLogGroups", "FilterLogEvents"} <= {operation for _, operation, _ in made}
    for account, operation, group in made - {("123456789012", "GetCallerIdentity", "")}:
        action, arn = asked(account, operation, group, role)
        assert allows(policies[account], action, arn), (account, action, arn)
    assert not allows(policies["123456789012"], *asked("123456789012", "FilterLogEvents", "/else", role))
    assert not allows(policies["123456789012"], *asked("123456789012", "DeleteLogStream", "/app/shop", role))


def policy_of(host: Host, principal: str) -> dict[str, Any]:
    done = host.shell.run("policy", "--config", host.config, "--principal", principal, "--without-metrics")
    assert 0 == done.exit_code, done.text
    document: dict[str, Any] = json.loads(done.out)
    return document


def asked(account: str, operation: str, group: str, role: str) -> tuple[str, str]:
    """Return action and resource by which IAM judges a call."""
    if operation == "AssumeRole":
        return "sts:AssumeRole", role
    name = "" if operation == "DescribeLogGroups" else group
    return f"logs:{operation}", f"arn:aws:logs:{REGION}:{account}:log-group:{name}:log-stream:"


def allows(document: dict[str, Any], action: str, arn: str) -> bool:
    """Judge as IAM does, as far as these policies go."""
    return any(
        action in statement["Action"] and any(_matches(resource, arn) for resource in statement["Resource"])
        for statement in document["Statement"]
    )


def _matches(resource: str, arn: str) -> bool:
    return re.fullmatch("".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in resource), arn) is not None


def test_several_principals_are_asked_for(host: Host) -> None:
    """One document is what can be pasted."""
    configure(host, a_source(host, "one", "/a") + a_source(host, "two", "/b", profile='"other"'))
    done = host.shell.run("policy", "--config", host.config)

    assert (2, "") == (done.exit_code, done.out)
    assert "--principal profile:other" in done.err
    assert "ReadLogEvents" in host.shell.run("policy", "--config", host.config, "--source", "two").out
