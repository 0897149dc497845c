# Everything lands in .venv in this checkout. `make help` lists the targets.
.DEFAULT_GOAL := help
.PHONY: help run install install-dev test lint types floors tests bench peers faults fuzz audit clean
.SUFFIXES:

VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_DEV := $(VENV)/.installed-dev
CANDIDATES := $(or $(PYTHON),python3 python3.14 python3.13 python3.12 python3.11)
UP := up --demo
JOBS := 2
export PIP_DISABLE_PIP_VERSION_CHECK := 1

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | while IFS='|' read -r t w; do printf '  make %-12s %s\n' "$$t" "$$w"; done

run: install ## try it: store, receiver, worker and a sandbox Slack and Jira; Ctrl-C ends all of it
	@$(BIN)/alert-bridge $(UP)

install: $(INSTALLED) ## make .venv with alert-bridge in it (PYTHON=/path/to/python3 to choose one)

install-dev: $(INSTALLED_DEV) ## the same, with what `make test` needs

test: lint types floors tests ## lint, types, import floors, all tests; then looks the dependencies up, when there is a network
	-@$(MAKE) --no-print-directory audit

lint: install-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: install-dev
	$(BIN)/mypy

floors: install-dev
	$(BIN)/lint-imports

tests: install-dev
	$(BIN)/pytest -q -n $(JOBS)

bench: install-dev ## measure speed; rows go to bench/results
	$(BIN)/python -m bench

peers: install-dev ## install what the bench compares with, each in a venv under .venv (Alertmanager, PostgreSQL: Debian's packages)
	@test -x $(VENV)/peers/bin/gunicorn || python3 -m venv $(VENV)/peers
	@$(VENV)/peers/bin/python -m pip install --quiet --constraint bench/peers/flask.txt flask gunicorn celery redis packaging py-spy
	@test -x $(VENV)/alerta/bin/gunicorn || python3 -m venv $(VENV)/alerta
	@$(VENV)/alerta/bin/python -m pip install --quiet --constraint bench/peers/alerta.txt alerta-server gunicorn psycopg2-binary

FAULTS := --faults 1000 --alerts 20000
faults: install-dev ## kill, cut and slow down the parts while alerts flow: 10 to 15 minutes (FAULTS="--faults 100 --alerts 2000 --seed 7")
	$(BIN)/python -m tests.faults $(FAULTS)

fuzz: install-dev ## a million changed requests against the whole receiver
	$(BIN)/python -m tests.security.fuzz --inputs 1000000 -v

audit: install ## look the dependencies up in PyPI's advisory database; without a network it says so
	@probe='import json, urllib.request as r; u = "https://pypi.org/pypi/urllib3/2.0.0/json"; \
	  json.load(r.urlopen(u, timeout=5))["vulnerabilities"][0]'; \
	if ! $(BIN)/python -c "$$probe" 2>/dev/null; then \
	  echo "not audited: the advisory database at https://pypi.org can't be reached from here" >&2; \
	else \
	  $(BIN)/python -m pip install --quiet --target $(VENV)/audit pip-audit && \
	  PYTHONPATH=$(VENV)/audit $(BIN)/python -m pip_audit --disable-pip --no-deps --requirement constraints.txt; \
	fi

clean: ## remove .venv and caches; data/ stays
	rm -rf $(VENV) dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find bridge workers tests bench -name __pycache__ -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml constraints.txt
	@found=; tried=; for python in $(CANDIDATES); do \
	  if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found="$$python"; break; fi; \
	  tried="$$tried $$python ($$("$$python" --version 2>/dev/null || echo not there)),"; \
	done; \
	if [ -z "$$found" ]; then \
	  echo "Python 3.11 or newer is needed; tried$${tried%,}." >&2; \
	  echo "Install it (Debian, Ubuntu: apt install python3.11 python3.11-venv; macOS: brew install python@3.13)," >&2; \
	  echo "or name one: make install PYTHON=/path/to/python3.13" >&2; exit 1; \
	fi; \
	if ! "$$found" -c 'import venv, ensurepip' 2>/dev/null; then \
	  echo "$$found has no venv module: on Debian and Ubuntu, apt install python3-venv, then again." >&2; exit 1; \
	fi; \
	echo "installing into $(VENV) with $$("$$found" --version); the first time takes a minute" >&2; \
	$(BIN)/python -m pip --version >/dev/null 2>&1 || "$$found" -m venv --clear $(VENV)
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable .
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	@$(BIN)/python -m pip install --quiet 'pip>=25.1'  # the first that knows --group
	@$(BIN)/python -m pip install --quiet --constraint constraints.txt --group dev
	@touch $@
