# Two commands do everything on a fresh machine: `make up` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PIP_QUIET := --quiet --disable-pip-version-check
# A cluster is many processes, and tests start hundreds: each would compile everything anew.
COMPILED := env -u PYTHONDONTWRITEBYTECODE

.PHONY: up test check fast mutants bench bench-cache bench-compare bench-costs bench-dialects bench-generator bench-histories bench-hits bench-holders bench-pages bench-restarts bench-starts ha schema lock clean setup

up: $(READY)
	exec $(COMPILED) $(BIN)/python manage.py cluster up $(ARGS)

test: check
	@sh .ci/install-tool chromium chromium
	@sh .ci/install-tool libatomic.so.1 libatomic1
	@sh .ci/install-tool promtool prometheus
	@sh .ci/install-tool ip iproute2
	@sh .ci/install-tool '/usr/lib/postgresql/*/bin/postgres' postgresql
	@sh .ci/install-tool /usr/sbin/mariadbd mariadb-server
	@# Which tests stay together: pytest_xdist_make_scheduler in tests/conftest.py, not loadscope's.
	$(COMPILED) $(BIN)/python -m pytest --numprocesses 2 --dist loadscope --no-loadscope-reorder

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

fast: $(READY)
	$(BIN)/python -m pytest tests/core tests/sim

# Plant faults in a copy, one at a time, and see that a unit test catches each; not a test.
# ARGS="lease digest": those that have one of these words in their names.
mutants: $(READY)
	$(COMPILED) $(BIN)/python -m tests.mutants $(ARGS)

# Everything beside things that anyone knows; writes docs/benchmarks.md; not a test.
# ARGS=--quick: a minute, to see that it works. ARGS="--only queries,trades": some parts.
bench: $(READY)
	@sh .ci/install-tool wrk wrk
	$(BIN)/python -m bench $(ARGS)

# This checkout beside another commit, in turn, as ratios: make bench-compare REV=main; not a test.
bench-compare: $(READY)
	@sh .ci/install-tool wrk wrk
	$(BIN)/python -m bench.compare $(or $(REV),HEAD~1) $(ARGS)

# What a cache hit costs, beside a bare WSGI callable and the DRF view; not a test.
bench-cache: $(READY)
	@sh .ci/install-tool wrk wrk
	$(BIN)/python -m bench.cache

# Which functions a trade's processor time goes to, process by process; as root; not a test.
bench-costs: $(READY)
	$(BIN)/python -m bench.costs $(ARGS)

# v1 and the course's dialect beside the seed's, in turn; fails below 0.9 of its rate; not a test.
bench-dialects: $(READY)
	@sh .ci/install-tool wrk wrk
	$(BIN)/python -m bench.dialects $(ARGS)

# Whether the load generator measures the server or itself, beside wrk; not a test.
bench-generator: $(READY)
	@sh .ci/install-tool wrk wrk
	$(BIN)/python -m bench.generator

# What a hit costs, step by step, and what two workers could give; fails below 1.7 times; not a test.
bench-hits: $(READY)
	@sh .ci/install-tool wrk wrk
	$(BIN)/python -m bench.hits $(ARGS)

# Few orders beside ten million: what is not flat fails, unless it has a reason; not a test.
bench-histories: $(READY)
	@sh .ci/install-tool wrk wrk
	$(BIN)/python -m bench.histories $(ARGS)

# A hundred front ends that hold leases, and 100,000 stocks; not a test.
bench-holders: $(READY)
	@sh .ci/install-tool wrk wrk
	$(BIN)/python -m bench.holders $(ARGS)

# What open pages of the dashboard cost the cluster; not a test.
bench-pages: $(READY)
	$(BIN)/python -m bench.pages

# How long catalog and replica take to serve, with few orders and with many; not a test.
bench-starts: $(READY)
	$(BIN)/python -m bench.starts $(ARGS)

# How long everything takes to the next trade after all was killed under load, and when other
# processes compute beside the start; fails beyond 3 s; not a test.
bench-restarts: $(READY)
	$(COMPILED) $(BIN)/python -m bench.restarts $(ARGS)

# Three hosts, each with a database node, a catalog, a replica and a front end: all that may happen
# to them, as a table. ENGINE=galera|patroni ROUNDS=3 CLIENTS=6 ONLY="kill-host cut-link" SECONDS=10; not a test.
ha: $(READY)
	@sh .ci/install-tool ip iproute2
	@sh .ci/install-tool /usr/sbin/nft nftables
	@if [ "$(ENGINE)" = patroni ]; then \
	  sh .ci/install-tool '/usr/lib/postgresql/*/bin/postgres' postgresql && \
	  sh .ci/install-tool patroni patroni && sh .ci/install-tool etcd etcd-server; \
	else \
	  sh .ci/install-tool /usr/sbin/mariadbd mariadb-server && \
	  sh .ci/install-tool rsync rsync && \
	  sh .ci/install-tool libgalera_smm.so galera-4; \
	fi
	$(BIN)/python -m tests.cluster.ha --engine $(or $(ENGINE),galera) --rounds $(or $(ROUNDS),1) \
	  --clients $(or $(CLIENTS),18) --seconds $(or $(SECONDS),4) --only $(ONLY)

# Write docs/openapi.yaml anew. ARGS=--release: add to what may never go away, too.
schema: $(READY)
	$(BIN)/python -m tests.contract.openapi $(ARGS)

setup: $(READY)

# Debian ships python3 without the venv module's pip; fetch it when it is missing and we may.
$(READY): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Bazaar needs Python 3.11 or newer; set PYTHON=/path/to/python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || sh .ci/install-venv $(PYTHON)
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install $(PIP_QUIET) --require-hashes --requirement requirements.lock
	$(BIN)/python -m compileall -q manage.py bazaar *_app dashboard
	touch $(READY)

# Names, versions and hashes only; no address of any registry.
lock: $(READY)
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 --generate-hashes \
		--no-header --no-annotate --upgrade --quiet --output-file requirements.lock

clean:
	-@test -x $(BIN)/python && $(BIN)/python manage.py cluster down --quiet 2>/dev/null
	rm -rf $(VENV) var .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
