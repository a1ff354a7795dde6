"""Sessions and credentials of one source: profile, role, or the usual chain, refreshed before they expire."""

import threading
from functools import partial
from typing import TYPE_CHECKING

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import NoCredentialsError

from shared.settings.model import Source

if TYPE_CHECKING:
    from botocore.client import BaseClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sts import STSClient

#: botocore never repeats a call by itself: a back-off that nobody sees would slip past ours.
_CONFIG = Config(
    retries={"total_max_attempts": 1},
    connect_timeout=10,
    read_timeout=60,
    max_pool_connections=64,
    user_agent_extra="cwpipe",
)

#: Metrics are asked for beside the work: a network that keeps them out of reach should not hold it up.
_METRICS_CONFIG = _CONFIG.merge(Config(connect_timeout=3, read_timeout=15))


class SourceSession:
    """Makes the clients of one source. Safe between threads. botocore's errors pass: `LogsApi` translates them."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None

    @property
    def account(self) -> str:
        """Account of the role that reads; empty: there is none, so the credentials would have to be asked."""
        parts = self._source.role_arn.split(":")
        return parts[4] if len(parts) > 5 and parts[4].isdigit() else ""

    def logs_client(self, region: str) -> "CloudWatchLogsClient":
        """Return a new CloudWatch Logs client. Reads files and, for a role, may call STS at its first use."""
        with self._lock:
            return self._loaded().client(
                "logs", region_name=region, endpoint_url=self._source.endpoint_url or None, config=_CONFIG
            )

    def sts_client(self, region: str) -> "STSClient":
        """Return a new STS client with the credentials that read the logs."""
        with self._lock:
            return self._loaded().client(
                "sts", region_name=region, endpoint_url=self._source.sts_endpoint_url or None, config=_CONFIG
            )

    def cloudwatch_client(self, region: str) -> "BaseClient":
        """Return a new client for metrics. `endpoint_url` is one of Logs alone; botocore reads AWS_ENDPOINT_URL_CLOUDWATCH."""
        with self._lock:
            # boto3's own client() is typed for the services whose stubs are installed.
            session = self._loaded()._session
            return session.create_client("cloudwatch", region_name=region, config=_METRICS_CONFIG)

    def forget(self) -> None:
        """Load profile, environment and role anew at the next client: the credentials in hand have expired."""
        with self._lock:
            self._session = None

    def _loaded(self) -> boto3.Session:
        if self._session is None:
            base = boto3.Session(profile_name=self._source.profile or None)
            self._session = self._in_role(base) if self._source.role_arn else base
        return self._session

    def _in_role(self, base: boto3.Session) -> boto3.Session:
        arguments = {"RoleSessionName": "cwpipe"}
        if self._source.external_id:
            arguments["ExternalId"] = self._source.external_id
        own = base.get_credentials()
        if own is None:
            raise NoCredentialsError
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=partial(self._sts_of_base, base),
            source_credentials=own,
            role_arn=self._source.role_arn,
            extra_args=arguments,
        )
        assumed = botocore.session.Session(profile=self._source.profile or None)  # for what else the profile says
        credentials = DeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method="assume-role")
        assumed._credentials = credentials  # type: ignore[attr-defined]  # there is no public setter
        return boto3.Session(botocore_session=assumed)

    def _sts_of_base(self, base: boto3.Session, service: str, **credentials: str) -> "STSClient":
        return base.client(  # type: ignore[call-overload, no-any-return]  # the fetcher names the service, always sts
            service,
            region_name=self._source.regions[0],
            endpoint_url=self._source.sts_endpoint_url or None,
            config=_CONFIG,
            **credentials,
        )
