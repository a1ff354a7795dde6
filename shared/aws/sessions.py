"""Sessions and credentials of one source: profile, role, or the usual chain, refreshed before they expire."""

import logging
import math
import os
import threading
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.configprovider import ConfigChainFactory
from botocore.credentials import AssumeRoleCredentialFetcher, DeferredRefreshableCredentials
from botocore.exceptions import NoCredentialsError

from shared.aws import bounded
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

# What it says of credentials, with a traceback, it also raises; `LogsApi` makes one line of that.
logging.getLogger("botocore.credentials").setLevel(logging.ERROR)

#: Of these, an empty variable is worse than none: no profile has an empty name, and no certificates would be checked.
_NOT_EMPTY = ("profile", "config_file", "credentials_file", "ca_bundle")


class SourceSession:
    """Makes the clients of one source. Safe between threads. botocore's errors pass: `LogsApi` translates them."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._lock = threading.Lock()
        self._session: boto3.Session | None = None

    @property
    def account(self) -> str:
        """Account of the settings, or of the role that reads; empty: neither, so the credentials would have to be asked."""
        if self.source.account_id:
            return self.source.account_id
        parts = self.source.role_arn.split(":")
        return parts[4] if len(parts) > 5 and parts[4].isdigit() else ""

    def logs_client(self, region: str) -> "CloudWatchLogsClient":
        """Return a new CloudWatch Logs client. Reads files and, for a role, may call STS at its first use."""
        with self._lock:
            return self._loaded().client("logs", region_name=region, endpoint_url=self.source.endpoint_url or None)

    def sts_client(self, region: str) -> "STSClient":
        """Return a new STS client with the credentials that read the logs."""
        with self._lock:
            return self._loaded().client("sts", region_name=region)

    def cloudwatch_client(self, region: str) -> "BaseClient":
        """Return a new client for metrics. `endpoint_url` is one of Logs alone; botocore reads AWS_ENDPOINT_URL_CLOUDWATCH."""
        with self._lock:
            # boto3's own client() is typed for the services whose stubs are installed.
            session: Any = self._loaded()._session
            client: BaseClient = session.create_client("cloudwatch", region_name=region, config=_METRICS_CONFIG)
            return client

    def credentials_seconds(self) -> float:
        """Return how long the credentials in hand are valid; NaN: without an end, or not known yet. Never blocks."""
        session: Any = self._session
        expiry = getattr(session and session._session._credentials, "_expiry_time", None)
        return (expiry - datetime.now(UTC)).total_seconds() if expiry is not None else math.nan

    def found_by(self) -> str:
        """Return where the credentials are from, in botocore's word. Reads files, and may ask for them."""
        with self._lock:
            credentials = self._loaded().get_credentials()
        return str(credentials.method) if credentials is not None else "nowhere"

    def forget(self) -> None:
        """Load profile, environment and role anew at the next client: the credentials in hand have expired."""
        with self._lock:
            self._session = None

    def _loaded(self) -> boto3.Session:
        if self._session is None:
            own = _Botocore(self.source)
            self._session = boto3.Session(botocore_session=self._in_role(own) if self.source.role_arn else own)
        return self._session

    def _in_role(self, base: "_Botocore") -> "_Botocore":
        arguments: dict[str, Any] = {
            "RoleSessionName": "cwpipe",
            "DurationSeconds": self.source.role_duration // 1000,
        }
        if self.source.external_id:
            arguments["ExternalId"] = self.source.external_id
        own = base.get_credentials()
        if own is None:
            raise NoCredentialsError
        fetcher = AssumeRoleCredentialFetcher(
            client_creator=partial(base.create_client, region_name=self.source.regions[0]),
            source_credentials=own,
            role_arn=self.source.role_arn,
            extra_args=arguments,
        )
        assumed = _Botocore(self.source)  # for what else the profile says
        credentials = DeferredRefreshableCredentials(refresh_using=fetcher.fetch_credentials, method="assume-role")
        assumed._credentials = credentials  # there is no public setter
        return assumed


class _Botocore(botocore.session.Session):
    """botocore's session as a source wants it, also for the clients that it makes by itself to assume a profile's role."""

    _credentials: Any

    def __init__(self, source: Source) -> None:
        super().__init__(profile=source.profile or None)
        self._sts_endpoint_url = source.sts_endpoint_url or None
        self._ignore_empty_variables()
        self.set_config_variable("region", source.regions[0])  # for STS, where a profile with a role names none
        if source.ca_bundle:
            self.set_config_variable("ca_bundle", source.ca_bundle)
        proxies = {"http": source.proxy_url, "https": source.proxy_url} if source.proxy_url else None
        self.set_default_client_config(_CONFIG.merge(Config(proxies=proxies)) if proxies else _CONFIG)

    def create_client(self, service_name: str, *arguments: Any, **options: Any) -> Any:
        """Return a client whose answers are bounded; one of STS goes to the endpoint of the settings."""
        if service_name == "sts" and self._sts_endpoint_url and not options.get("endpoint_url"):
            options["endpoint_url"] = self._sts_endpoint_url
        client = super().create_client(service_name, *arguments, **options)
        bounded.bound(client)
        return client

    def _ignore_empty_variables(self) -> None:
        """Have botocore take an empty variable for none: compose files and unit files pass them on."""
        environ = {name: value for name, value in os.environ.items() if value.strip()}  # noqa: TID251 - botocore's own variables
        chains: Any = ConfigChainFactory(self, environ=environ)
        store: Any = self.get_component("config_store")
        for name in _NOT_EMPTY:
            in_file, variables, default, _ = self.session_var_map[name]
            chain = chains.create_config_chain(
                instance_name=name, env_var_names=variables, config_property_names=in_file, default=default
            )
            store.set_config_provider(name, chain)
