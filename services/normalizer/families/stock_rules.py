"""What each family is for: what in an event confirms it, and which stock rules of Wazuh 4.14 its form was measured to fire.

For `explain`, and for whoever adds a family. Tests compare the rules with tests/data/fidelity_cases.jsonl.
"""

from msgspec import Struct


class Purpose(Struct, frozen=True):
    """What one family is for."""

    confirmed_by: str
    """What an event must hold to be of it, beside what its group permits; "" where nothing is asked."""
    rules: tuple[int, ...]
    """Ids of stock rules, each of which was the last to fire for a message of the family. Others of theirs may, too."""
    says: str
    """What they alert on, and what not, in a sentence."""


_AWS_EVENT = "`source` is aws.{0} and there are `detail-type` and an object `detail`"

PURPOSES = {
    "cloudtrail": Purpose(
        "`eventVersion`, `eventSource` and `eventName` are there, in the event or in the `detail` of an API call",
        (80200, 80202, 80203, 80253, 80254),
        "API calls in Wazuh's list aws-eventnames, their errors, and sign-ins; of other calls only the silent 80200.",
    ),
    "kms": Purpose(
        _AWS_EVENT.format("kms"), (80491, 80493), "Use of keys, and notices of their rotation and deletion."
    ),
    "guardduty": Purpose(
        _AWS_EVENT.format("guardduty") + ", or `service.serviceName` is guardduty; with a `severity`",
        (80301, 80302, 80303, 80305, 80306),
        "Findings by severity, probed ports apart; those of severity 10 get level 3 only.",
    ),
    "securityhub": Purpose(
        _AWS_EVENT.format("securityhub") + " with 1 to 100 `findings`",
        (99821, 99829, 99842, 99845),
        "Findings by security control; most that are not critical are silent.",
    ),
    "inspector2": Purpose(
        _AWS_EVENT.format("inspector2") + ", or `findingArn` and `awsAccountId` are there; with a `severity`",
        (80495, 80496, 80497, 80498),
        "Findings by severity; critical ones are silent.",
    ),
    "macie": Purpose(_AWS_EVENT.format("macie"), (80351, 80352), "Findings by severity."),
    "trustedadvisor": Purpose(_AWS_EVENT.format("trustedadvisor"), (80482, 80483), "Results of checks by status."),
    "config": Purpose(
        _AWS_EVENT.format("config") + ", or there is a configuration item",
        (80453, 80456, 80475),
        "Changes of resources, and items of snapshots.",
    ),
    "waf": Purpose(
        "`webaclId`, `action` and an object `httpRequest` are there",
        (80440, 80442),
        "Blocked requests, and many of one address; COUNT is silent.",
    ),
    "vpcflow": Purpose(
        "as many columns as flow_log_format or the default format has, with an action and a status of flow logs",
        (80400, 80401, 80402),
        "Accepted and rejected flows; NODATA and SKIPDATA are silent.",
    ),
    "alb": Purpose(
        "a type of connection, an ISO time, and 29 columns or more",
        (80325, 80327, 80328),
        "Answers 403, 503 and others.",
    ),
    "clb": Purpose(
        "an ISO time, a name, a client with its port, and 15 columns", (80200,), "Silent: 80200 has level 0."
    ),
    "nlb": Purpose("`tls`, a version, an ISO time, and 20 columns or more", (), "Silent: none of its own is known."),
    "s3access": Purpose(
        "owner, bucket and time in brackets, and 18 columns or more",
        (80362, 80363, 80364, 80365, 80367, 80368),
        "Reads, writes, and errors.",
    ),
    "networkfirewall": Purpose(
        "`firewall_name`, and an `event` with `event_type` and `timestamp`",
        (86601, 86604),
        "Suricata's alerts, and TLS.",
    ),
    "apigateway": Purpose(
        "`ip`, `requestTime`, `httpMethod`, `status` and a path are there",
        (31101, 31106, 31122),
        "Rules for web servers: errors of clients and servers, attacks by URL.",
    ),
    "rds_mysql": Purpose(
        "an ISO time with a fraction, a number of a thread and a level in brackets",
        (50106, 50181, 88100, 88101, 88102),
        "Errors, warnings, and refused sign-ins.",
    ),
    "rds_postgres": Purpose(
        "the prefix that RDS gives a line: time, address, user@database, [process], level",
        (50510, 50511, 50512, 50520, 50521),
        "Statements, sign-ins and failed ones, sessions that were ended, shutdowns.",
    ),
    "syslog": Purpose(
        "it begins with a known program, such as sudo or sshd[1], or with a sentence of sshd, and names no host",
        (5503, 5710, 5715, 5760, 5902, 80700),
        "Rules for sshd, PAM, useradd and others.",
    ),
    "windows": Purpose(
        "an `<Event>` in XML, or [channel] [level] [id] [provider] [computer] of CloudWatch's agent",
        (60109, 60122, 63103, 92027, 92653),
        "Rules for Windows, by channel and event id, and for Sysmon.",
    ),
    "container": Purpose(
        "an object with `log` beside what container runtimes or log routers write",
        (5710, 31101, 31315, 86601),
        "Whatever rules know the line in it.",
    ),
    "journald": Purpose(
        "an object with `MESSAGE`, `_HOSTNAME` and a program's name", (5403,), "Rules for the program."
    ),
    "route53": Purpose("", (1002,), "Silent, but for rule 1002, which finds a bad word in NOERROR."),
    "eks": Purpose("", (1002,), "Silent, but for rule 1002 where a bad word is in it."),
    "lambda": Purpose("", (1002, 30101), "What rules know the line; else rule 1002 where a bad word is in it."),
    "clientvpn": Purpose("", (1002,), "Silent, but for rule 1002 where a bad word is in it."),
}

#: Of an event of no family.
TEXT = Purpose(
    "", (), "Whatever Wazuh's decoders make of such a line: access logs, nginx, syslog with its header and others."
)
OBJECT = Purpose(
    "", (), "Rules of your own; else rule 1002 where a bad word is in it, or a stock rule for such fields."
)
