# A fresh machine needs python3 (3.11 or newer, with venv) and make; the first target that is run sets up .venv.
# CONTRIBUTING.md says more.

PYTHON ?= python3
BIN := .venv/bin
export UV_PROJECT_ENVIRONMENT := .venv
export UV_PYTHON_DOWNLOADS := never

.DEFAULT_GOAL := help
.PHONY: help demo test test-compose check bench torture docs clean

help:  ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' Makefile

demo: .venv/ready  ## run the whole pipeline here, on stand-ins: needs no AWS account, no Wazuh
	@$(BIN)/cwpipe demo

# Most tests wait most of the time, so more of them run side by side than there are cores: TEST_JOBS=0 runs one after
# the other. tests/conftest.py says which stay together. The processes that they start keep what they compiled.
TEST_JOBS ?= 4
test: .venv/ready  ## run all tests: real processes, a real Valkey, real sockets; needs no network
	env -u PYTHONDONTWRITEBYTECODE $(BIN)/pytest -n $(TEST_JOBS) --dist loadscope --no-loadscope-reorder

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

bench: .venv/ready  ## measure against the plain loop: prints ratios, takes minutes
	$(BIN)/python -m tests.benchmarks.pipeline

torture: .venv/ready  ## kill everything again and again under load and look for lost events: ten minutes, TORTURE_SEED=n replays
	$(BIN)/pytest -v tests/torture/long_form.py

docs: .venv/ready  ## write cwpipe.example.toml and docs/settings.md anew from the settings' definitions
	$(BIN)/python -m shared.settings.document

clean:  ## remove .venv and caches
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

.venv/ready: pyproject.toml uv.lock
	@$(PYTHON) -c 'import sys; sys.exit("cwpipe needs Python 3.11 or newer, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3 -m venv failed: on Debian, apt-get install python3-venv"; exit 1; }
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check 'uv>=0.9'
	@$(BIN)/uv sync --quiet --locked --compile-bytecode --python $(BIN)/python --group dev --extra demo
	@touch $@
