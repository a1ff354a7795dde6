# One image for every role: cwpipe fetcher | normalizer | forwarder | dashboard | run ...
# The target `demo` is what `docker compose --profile demo` plays with.

ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
WORKDIR /build
RUN python -m venv /opt/uv && /opt/uv/bin/pip install --quiet --no-cache-dir --disable-pip-version-check 'uv>=0.9'
ENV UV_PYTHON_DOWNLOADS=never UV_NO_CACHE=1 UV_LINK_MODE=copy UV_PROJECT_ENVIRONMENT=/opt/cwpipe
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN /opt/uv/bin/uv sync --quiet --locked --no-install-project --extra dashboard
COPY services services
COPY shared shared
RUN /opt/uv/bin/uv sync --quiet --locked --no-editable --extra dashboard
# boto3 brings the descriptions of some 400 AWS services, of which cwpipe and its credentials need a few
# (deploy/compose/bytecode.py tries them), and zstandard a second copy of itself, for PyPy.
RUN cd /opt/cwpipe/lib/python3*/site-packages \
    && find botocore/data -mindepth 1 -maxdepth 1 -type d \
       ! -name logs ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -rf {} + \
    && rm -rf boto3/data boto3/examples zstandard/_cffi.*.so \
    && find /opt/cwpipe/bin -mindepth 1 ! -name cwpipe ! -name 'python*' -delete

FROM build AS build-demo
RUN UV_PROJECT_ENVIRONMENT=/opt/demo /opt/uv/bin/uv sync --quiet --locked --no-editable --extra demo --compile-bytecode

FROM ${PYTHON_IMAGE} AS base
# Volumes take over owner and mode of the directories that they are mounted on.
RUN groupadd --gid 10001 cwpipe \
    && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /home/cwpipe --shell /usr/sbin/nologin cwpipe \
    && install -d -o cwpipe -g cwpipe -m 0750 /home/cwpipe /home/cwpipe/.aws \
       /run/cwpipe /run/cwpipe/passwords /run/cwpipe/settings /run/cwpipe/demo
ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/home/cwpipe
WORKDIR /run/cwpipe/settings
ENTRYPOINT ["cwpipe"]
CMD ["--help"]

FROM base AS demo
COPY --from=build-demo /opt/demo /opt/demo
ENV PATH=/opt/demo/bin:$PATH
USER 10001:10001

FROM base
COPY --from=build /opt/cwpipe /opt/cwpipe
ENV PATH=/opt/cwpipe/bin:$PATH
RUN --mount=type=bind,source=deploy/compose/bytecode.py,target=/tmp/bytecode.py \
    PYTHONDONTWRITEBYTECODE= python /tmp/bytecode.py
USER 10001:10001
