"""Every family. A new one is a row here, one in `stock_rules`, and its cases in tests/data/fidelity_cases.jsonl."""

from fnmatch import fnmatchcase

from services.normalizer.families import (
    apigateway,
    balancers,
    cloudtrail,
    config,
    databases,
    findings,
    firewall,
    s3access,
    syslog,
    vpcflow,
    waf,
    windows,
)
from services.normalizer.families.family import Family

#: Where EventBridge may write: it makes the names of its groups begin so.
_EVENTS = ("/aws/events/*", "/aws/vendedlogs/events/*")
_BALANCERS = (
    *("/aws/elb/*", "/aws/alb/*", "/aws/nlb/*", "/aws/clb/*", "/aws/elasticloadbalancing/*"),
    "/aws/vendedlogs/elasticloadbalancing/*",
)

# The names are AWS's own, or those that its documentation proposes. They are anchored at the start, so that no function
# or container whose group is called after it can pass for a service.
FAMILIES = (
    Family(
        name="cloudtrail",
        groups=(
            *("aws-cloudtrail-logs-*", "cloudtrail/*", "cloudtrail", "cloudtrail-*", "/aws/cloudtrail*"),
            *("/cloudtrail*", "aws-controltower/cloudtraillogs*", *_EVENTS),
        ),
        arrives="An envelope of the record, `aws.source` `cloudtrail`. API calls and sign-ins that EventBridge delivers too.",
        from_object=cloudtrail.cloudtrail,
        envelope=True,
    ),
    Family(
        name="kms",
        groups=_EVENTS,
        arrives="An envelope of the record in `detail`, `aws.source` `kms`.",
        from_object=cloudtrail.kms,
        envelope=True,
    ),
    Family(
        name="guardduty",
        groups=(*_EVENTS, "/aws/guardduty*"),
        arrives="An envelope of the finding, `aws.source` `guardduty`; of several probed ports, one envelope each.",
        from_object=findings.guardduty,
        envelope=True,
    ),
    Family(
        name="securityhub",
        groups=(*_EVENTS, "/aws/securityhub*"),
        arrives="An envelope for each finding of an event, as `aws.finding`, `aws.source` `securityhub`.",
        from_object=findings.securityhub,
        envelope=True,
    ),
    Family(
        name="inspector2",
        groups=(*_EVENTS, "/aws/inspector2*"),
        arrives="An envelope of the finding, `aws.source` `inspector2`.",
        from_object=findings.inspector2,
        envelope=True,
    ),
    Family(
        name="macie",
        groups=_EVENTS,
        arrives="An envelope of the finding, `aws.source` `macie`.",
        from_object=findings.macie,
        envelope=True,
    ),
    Family(
        name="trustedadvisor",
        groups=_EVENTS,
        arrives="An envelope of the result, `aws.source` `trustedadvisor`.",
        from_object=findings.trustedadvisor,
        envelope=True,
    ),
    Family(
        name="config",
        groups=(*_EVENTS, "/aws/config*"),
        arrives="An envelope of the configuration item, `aws.source` `config`, with an `aws.log_info.log_file` that tells "
        "a history from a snapshot. Other notices as they are.",
        from_object=config.config,
        envelope=True,
    ),
    Family(
        name="waf",
        groups=("aws-waf-logs-*",),
        arrives="An envelope of the log, `aws.source` `waf`, the request's standard headers as an object.",
        from_object=waf.waf,
        envelope=True,
    ),
    Family(
        name="vpcflow",
        groups=(
            *("/aws/vpc/flow*", "/aws/vpc-flow*", "/aws/vpcflow*", "/aws/flowlogs*", "/vpc/flow*", "/vpc-flow*"),
            *(
                "/vpcflow*",
                "vpc/flow*",
                "vpc-flow*",
                "vpcflow*",
                "flowlogs*",
                "flow-logs*",
                "/flowlogs*",
                "/flow-logs*",
            ),
        ),
        arrives="An envelope of the columns by name, `aws.source` `vpc`. `flow_log_format` names the columns of a custom "
        "format; without it, `aws.action`, `aws.log_status` and the line as `aws.message`.",
        from_line=vpcflow.vpcflow,
        envelope=True,
    ),
    Family(
        name="alb",
        groups=_BALANCERS,
        arrives="An envelope of the columns by name, addresses and ports apart, `aws.source` `alb`.",
        from_line=balancers.alb,
        envelope=True,
    ),
    Family(
        name="clb",
        groups=_BALANCERS,
        arrives="An envelope of the columns by name, `aws.source` `clb`.",
        from_line=balancers.clb,
        envelope=True,
    ),
    Family(
        name="nlb",
        groups=_BALANCERS,
        arrives="An envelope of the columns by name, addresses and ports apart, `aws.source` `nlb`.",
        from_line=balancers.nlb,
        envelope=True,
    ),
    Family(
        name="s3access",
        groups=(
            *("/aws/s3/access*", "/aws/s3/server-access*", "/aws/s3-access*", "/s3/access*", "s3-access-logs*"),
            "/s3-access*",
        ),
        arrives="An envelope of the columns by name, `aws.source` `s3_server_access`.",
        from_line=s3access.s3access,
        envelope=True,
    ),
    Family(
        name="networkfirewall",
        groups=(
            *("/aws/network-firewall/*", "/aws/networkfirewall/*", "/aws/vendedlogs/network-firewall*"),
            *("network-firewall*", "/network-firewall*"),
        ),
        arrives="The members of Suricata's record in `event`, then those beside it, in one object with `cloudwatch`.",
        from_object=firewall.networkfirewall,
    ),
    Family(
        name="apigateway",
        groups=("/aws/apigateway/*", "/aws/api-gateway/*", "/aws/http-api/*", "/aws/vendedlogs/apigateway/*"),
        arrives="An access log in JSON as a line of the common log format; one in that format as it is.",
        from_object=apigateway.apigateway,
    ),
    Family(
        name="rds_mysql",
        groups=("/aws/rds/instance/*/error", "/aws/rds/cluster/*/error"),
        arrives="A line of MySQL's error log with `MySQL log: ` before it; MariaDB's lines as they are.",
        from_line=databases.mysql,
    ),
    Family(
        name="rds_postgres",
        groups=("/aws/rds/instance/*/postgresql", "/aws/rds/cluster/*/postgresql"),
        arrives="A line with its prefix as `[time] user@database,address,pid=process LEVEL: `.",
        from_line=databases.postgres,
    ),
    Family(
        name="syslog",
        groups=("/var/log/*", "var/log/*", "secure", "auth.log", "messages", "syslog", "/ec2/var/log/*"),
        arrives="A line of a known program that has lost its host, or date and host, with both, the host being the stream's "
        "name.",
        from_line=syslog.syslog,
    ),
    Family(
        name="windows",
        arrives="An event in XML on analysisd's queue of Windows events, where it has a location but no `cloudwatch`; one in "
        "the text of CloudWatch's agent as a line of `WinEvtLog`.",
        from_line=windows.windows,
        where="by format",
    ),
    Family(
        name="container",
        arrives="The line in `log` of FireLens, Fluent Bit and docker, without what is beside it; an object in `log` with "
        "`cloudwatch`.",
        where="any group",
    ),
    Family(
        name="journald",
        arrives="The entry as a line of syslog: time, host, program and process, message.",
        where="any group",
    ),
    Family(
        name="route53",
        groups=("/aws/route53/*",),
        arrives="Resolver queries as objects with `cloudwatch`, lines of public zones as they are.",
    ),
    Family(
        name="eks",
        groups=("/aws/eks/*/cluster",),
        arrives="Audit events as objects with `cloudwatch`, the authenticator's lines as they are.",
    ),
    Family(
        name="lambda",
        groups=("/aws/lambda/*",),
        arrives="Objects with `cloudwatch`, lines as they are.",
    ),
    Family(
        name="clientvpn",
        groups=("/aws/clientvpn*",),
        arrives="Connection logs as objects with `cloudwatch`.",
    ),
)

_BY_NAME = {family.name: family for family in FAMILIES}


def permitting(family: Family, log_group: str) -> str:
    """Return the glob by which a group of this name permits `family`; "" if there is none."""
    name = log_group.lower()
    return next((glob for glob in family.groups if fnmatchcase(name, glob)), "")


def families_of(settings_format: str, log_group: str) -> tuple[Family, ...]:
    """Return the families that an event of the group may be of, the one that the source names first.

    None where the source asks for no recognition at all: `raw`, `text` and `json`.
    """
    if settings_format != "auto" and settings_format not in _BY_NAME:
        return ()
    permitted = [family for family in FAMILIES if permitting(family, log_group)]
    asked_for = _BY_NAME.get(settings_format)
    if asked_for is not None:
        permitted = [asked_for, *(family for family in permitted if family is not asked_for)]
    return tuple(permitted)
