# Everything also works without make: each target is one command.
.DEFAULT_GOAL := help
PYTHON ?= python3

.PHONY: help up check lint test clients bench docs lock format

help:  ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

up:  ## Start the whole product on this machine
	$(PYTHON) manage.py up

check: lint test  ## Everything that CI runs: all static checks, then all tests

lint:  ## Static checks: ruff, mypy, import-linter, djlint
	$(PYTHON) manage.py lint

test:  ## All tests, with their own PostgreSQL and Redis
	$(PYTHON) manage.py test

clients:  ## Only the stock clients against a running server
	$(PYTHON) manage.py test -m client

bench:  ## The benchmarks; each prints its figures
	@set -e; for name in registry_reads screens large_files serving deploy monitoring; do echo "== $$name"; .venv/bin/python -m benchmarks.$$name; done

docs:  ## Check the links of the documentation
	$(PYTHON) manage.py test tests/docs -n 0

lock:  ## Resolve requirements*.in anew into the hashed locks
	$(PYTHON) manage.py lock

format:  ## Format code and templates in place
	.venv/bin/python -m ruff format .
	.venv/bin/python -m djlint registry serving monitoring templates --reformat --quiet --allow-empty-input
