"""Every setting, with its type, default, bounds and a sentence. The file, the environment, `cwpipe settings`,
cwpipe.example.toml and docs/settings.md are all read or made from these Structs.

Durations ("30s", "5m", "2h", "7d") and sizes ("64KiB", "256MiB") are strings in the file and numbers here.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from shared.settings.quantities import Bytes, Duration, StartTime

Name = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
Region = Annotated[str, Meta(pattern=r"^[a-z]{2,}(-[a-z0-9]+)+-[0-9]+$")]

Format = Literal[
    "auto",
    "raw",
    "text",
    "json",
    "cloudtrail",
    "kms",
    "guardduty",
    "securityhub",
    "inspector2",
    "macie",
    "trustedadvisor",
    "config",
    "waf",
    "vpcflow",
    "alb",
    "clb",
    "nlb",
    "s3access",
    "networkfirewall",
    "apigateway",
    "rds_mysql",
    "rds_postgres",
    "syslog",
    "windows",
    "container",
    "journald",
    "route53",
    "eks",
    "lambda",
    "clientvpn",
]


class Wazuh(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The receiver: the analysisd of a Wazuh manager on this host, or a Wazuh agent."""

    queue_socket: Annotated[
        str,
        Meta(
            min_length=1, description="Path of the UNIX datagram socket that analysisd, or an agent, reads events from."
        ),
    ] = "/var/ossec/queue/sockets/queue"
    stats_socket: Annotated[
        str,
        Meta(
            description="Path of the UNIX stream socket that analysisd answers `getstats` on (Wazuh 4.4 and newer). "
            "Empty: none, and level `processed` falls back to `read`."
        ),
    ] = "/var/ossec/queue/sockets/analysis"
    confirm: Annotated[
        Literal["processed", "read", "sent", "agent"],
        Meta(
            description="When an event counts as delivered: `processed` when analysisd's statistics prove that it went "
            "through, `read` when it has been read from the socket, `sent` when the kernel has taken it; `agent`, for the "
            "socket of a Wazuh agent, when the agent has read it."
        ),
    ] = "processed"
    max_events_per_second: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Datagrams a second, of all forwarders of this receiver together. 0: no limit but what the "
            "receiver's statistics allow, and 250 to an agent.",
        ),
    ] = 0


class Source(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Log groups of one account, read with one set of credentials. The first source that matches a group owns it."""

    name: Annotated[Name, Meta(description="Names the source in logs, status and errors. Unique.")]
    regions: Annotated[
        tuple[Region, ...], Meta(min_length=1, description="AWS regions in which to look for the groups.")
    ]
    log_groups: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=2048)], ...],
        Meta(
            min_length=1,
            description="Log groups, by exact name or with `*`, `?` and `[...]`; those of linked accounts by ARN, in which "
            "region and account may be `*`.",
        ),
    ]
    exclude_log_groups: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=2048)], ...],
        Meta(description="Log groups to leave out, by exact name or pattern. A later source may still take them."),
    ] = ()
    log_stream_prefix: Annotated[
        str, Meta(max_length=512, description="Only streams whose names begin so. AWS does the choosing. Empty: all.")
    ] = ""
    filter_pattern: Annotated[
        str,
        Meta(
            max_length=1024,
            description="CloudWatch Logs filter pattern: AWS returns only events that match. Empty: all.",
        ),
    ] = ""
    unmask: Annotated[
        bool, Meta(description="Whether data masked by a data protection policy is read in clear (needs logs:Unmask).")
    ] = False
    delete_log_streams: Annotated[
        bool,
        Meta(
            description="Whether a stream is deleted at AWS once all of it was delivered, nothing more has come for a "
            "while, and its last event is older than sweep_window. This cannot be undone."
        ),
    ] = False
    account_id: Annotated[
        str,
        Meta(
            pattern=r"^([0-9]{12})?$",
            description="Account of the groups, where AWS does not say it. Empty: as their ARNs say.",
            extra={"words": "12 digits"},
        ),
    ] = ""
    profile: Annotated[str, Meta(description="Profile of ~/.aws/config. Empty: the usual chain of credentials.")] = ""
    role_arn: Annotated[str, Meta(description="Role to assume before reading; refreshed before it expires.")] = ""
    external_id: Annotated[str, Meta(description="External id that the role's trust policy asks for.")] = ""
    role_duration: Annotated[
        Duration,
        Meta(ge=900_000, le=43_200_000, description="How long a session of role_arn lasts; it is renewed in time."),
    ] = 3_600_000
    endpoint_url: Annotated[
        str, Meta(description="CloudWatch Logs endpoint instead of AWS's own, e.g. of a VPC endpoint.")
    ] = ""
    sts_endpoint_url: Annotated[str, Meta(description="STS endpoint instead of AWS's own, for role_arn.")] = ""
    proxy_url: Annotated[
        str, Meta(description="Proxy for calls to AWS, instead of HTTPS_PROXY: http:// or https://.")
    ] = ""
    ca_bundle: Annotated[
        str, Meta(description="File of the certificate authorities to trust instead of the usual ones.")
    ] = ""
    only_logs_after: Annotated[
        StartTime,
        Meta(
            description="Where reading begins at first sight of a group: a date, an RFC 3339 time, or an age such as "
            '"2h". Not set: 00:00 UTC of the day of the first start, and the creation time of a group found later.'
        ),
    ] = ""
    poll_interval: Annotated[
        Duration, Meta(ge=1000, le=86_400_000, description="Time between two looks at a group that has nothing new.")
    ] = 30_000
    max_poll_interval: Annotated[
        Duration,
        Meta(
            ge=1000,
            le=86_400_000,
            description="Longest time between two looks at a group that stays quiet: the time between them grows from "
            "poll_interval to this, and falls back when something comes.",
        ),
    ] = 300_000
    discovery_interval: Annotated[
        Duration, Meta(ge=1000, le=86_400_000, description="Time between two searches for groups that match.")
    ] = 300_000
    late_window: Annotated[
        Duration,
        Meta(
            ge=60_000,
            le=14 * 86_400_000,
            description="How long after its timestamp an event may arrive at CloudWatch and still be read by the tail.",
        ),
    ] = 900_000
    sweep_window: Annotated[
        Duration,
        Meta(
            ge=60_000,
            le=14 * 86_400_000,
            description="How long after its timestamp an event that arrives later than late_window is still found, by a "
            "deep sweep. CloudWatch itself takes nothing older than 14 days. Not longer than late_window: no deep sweeps.",
        ),
    ] = 86_400_000
    sweep_interval: Annotated[
        Duration,
        Meta(
            ge=0,
            le=14 * 86_400_000,
            description='Time between two deep sweeps, each of which reads sweep_window and sweep_interval again. "0s": none.',
        ),
    ] = 21_600_000
    silent_after: Annotated[
        Duration,
        Meta(
            ge=0,
            le=366 * 86_400_000,
            description="A group that brings nothing new for so long is reported, in `status` and the log: its source may "
            'have stopped. "0s": none is.',
        ),
    ] = 0
    format: Annotated[
        Format,
        Meta(
            description="`auto`: the form that Wazuh's rules know, marked with its origin, by the group's name and what "
            "events hold. A family's name: the same, and all groups of the source may hold that family. `text`: lines as "
            "they are, objects marked. `json`: objects marked, lines as their `message`. `raw`: what Wazuh's own module "
            "sends."
        ),
    ] = "auto"
    location: Annotated[
        str,
        Meta(
            description="Where Wazuh shows an event to come from: a text with any of {region}, {account}, {log_group} and "
            "{log_stream}. Not used by the format `raw`, which says Wazuh-AWS."
        ),
    ] = "Wazuh-AWS:{region}:{log_group}:{log_stream}"
    flow_log_format: Annotated[
        str,
        Meta(
            description="LogFormat of the source's VPC flow logs, such as `${version} ${account-id} ${action}`. Empty: the "
            "default format."
        ),
    ] = ""
    discard_regex: Annotated[
        str, Meta(description="Events that match (searched, not anchored) are discarded, and counted. Empty: none.")
    ] = ""
    discard_field: Annotated[
        str,
        Meta(
            description="Dotted path of a field of a JSON event that discard_regex is tried on, instead of the whole "
            "message. An event without that field is kept."
        ),
    ] = ""
    keep_regex: Annotated[
        str, Meta(description="Only events that match (searched, not anchored) are delivered. Empty: all.")
    ] = ""


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on what cwpipe holds."""

    queued_bytes: Annotated[
        Bytes,
        Meta(
            ge=16 * 1024**2,
            description="Bytes of batches and dead letters in Redis beyond which fetching pauses. Keep it at or below "
            "half of Redis's maxmemory.",
        ),
    ] = 256 * 1024**2
    kept_original_bytes: Annotated[
        Bytes,
        Meta(
            ge=0, description="Bytes of originals of oversize events kept in Redis; beyond it the oldest go, counted."
        ),
    ] = 32 * 1024**2
    audit_window: Annotated[
        Duration,
        Meta(
            ge=3_600_000,
            le=366 * 86_400_000,
            description="How far back `cwpipe audit` can compare: digests of what was fetched are kept for so long.",
        ),
    ] = 3 * 86_400_000
    fetch_threads: Annotated[int, Meta(ge=1, le=256, description="Groups that one fetcher reads at the same time.")] = 8
    quota_share: Annotated[
        float,
        Meta(
            ge=0,
            le=1,
            description="How much of AWS's published quota of calls all fetchers together use, in each account and region: the "
            "rest is for the console and other tools. 0: no limit, for servers that are not AWS's.",
        ),
    ] = 0.8


class Log(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the programs say on standard error."""

    level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="Least level that is written.")] = (
        "info"
    )
    format: Annotated[
        Literal["console", "json"], Meta(description="`console`: lines for people. `json`: one object a line.")
    ] = "console"


class Run(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How `cwpipe run` fills one host."""

    normalizers: Annotated[int, Meta(ge=1, le=64, description="Normalizer processes.")] = 1


class Dashboard(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pages that show queues, jobs and workers: `cwpipe dashboard`."""

    address: Annotated[
        str,
        Meta(description="host:port to serve them on. They are served without TLS: put a proxy before another host."),
    ] = "127.0.0.1:9181"
    user: Annotated[
        str,
        Meta(
            pattern=r"^[!-9;-~]{1,64}$",
            description="Name to log in with.",
            extra={"words": "1 to 64 printable ASCII characters, no space and no colon"},
        ),
    ] = "cwpipe"
    password_file: Annotated[
        str,
        Meta(
            description="File with the password to log in with, of 12 characters or more. Empty: one is made at the "
            "first start and kept in the data directory."
        ),
    ] = ""
    actions: Annotated[
        bool,
        Meta(description="Whether jobs may be requeued and deleted from the pages. Without it they only show."),
    ] = False


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration."""

    redis_url: Annotated[
        str,
        Meta(
            description="Redis or Valkey that holds the queues: redis://, rediss:// (TLS) or unix://, or by Sentinels "
            "redis+sentinel://host:26379,host:26379/service/0 (rediss+sentinel://: TLS). Empty: `cwpipe run` starts its own."
        ),
    ] = ""
    redis_password_file: Annotated[
        str, Meta(description="File with the password of Redis, for a redis_url that has none in it.")
    ] = ""
    redis_sentinel_password_file: Annotated[
        str, Meta(description="File with the password of the Sentinels, if they ask for one.")
    ] = ""
    redis_ca_bundle: Annotated[
        str,
        Meta(
            description="File of the certificate authorities to trust for Redis by TLS, besides those that the host trusts."
        ),
    ] = ""
    redis_client_cert: Annotated[
        str, Meta(description="File of the certificate to show to a Redis that asks for one, in PEM form.")
    ] = ""
    redis_client_key: Annotated[
        str, Meta(description="File of its private key. Empty: it is in the file of the certificate.")
    ] = ""
    metrics_address: Annotated[
        str,
        Meta(
            description="host:port of the Prometheus endpoint of the fetcher; the normalizer takes the next port, the "
            "forwarder the one after, `cwpipe metrics` the third. Empty: none. See docs/metrics.md."
        ),
    ] = ""
    alive_file: Annotated[
        str,
        Meta(
            description="File that a role touches as long as it gets on with its work, for `cwpipe health` and other "
            "watchers. One a process. Empty: none."
        ),
    ] = ""
    wazuh: Wazuh = Wazuh()
    sources: tuple[Source, ...] = ()
    limits: Limits = Limits()
    log: Log = Log()
    run: Run = Run()
    dashboard: Dashboard = Dashboard()
