# `make` shows what there is. Only `make setup` needs a network.

PYTEST := .venv/bin/python -m pytest
STAMP := .venv/.installed

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast check lint types layers docs bench lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## create .venv and install everything in it; does nothing when it is up to date

# The script touches the stamp when, and only when, the environment is complete.
$(STAMP): pyproject.toml constraints.txt scripts/setup.sh scripts/remove_broken.py
	@scripts/setup.sh $@

demo: setup ## serve a small real model and watch it learn from its own traffic (up to 15 minutes)
	.venv/bin/empo-serve demo --report-dir demo-report

test: setup ## run every test, those with real vLLM included (up to 25 minutes on 2 cores)
	$(PYTEST) -m "not vllm" -n 2 --dist loadfile
	$(PYTEST) -m vllm

test-fast: setup ## run the tests without vLLM and without training or killing processes (under 2 minutes)
	$(PYTEST) -m "not vllm and not slow" -n 3 --dist loadfile

check: lint types layers ## lint, types and layers

lint: setup ## ruff: style and formatting
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .

types: setup ## mypy, strict
	.venv/bin/mypy

layers: setup ## import-linter: who may import whom
	.venv/bin/lint-imports

docs: setup ## write docs/configuration.md, metrics.md and the examples of semantics.md anew from the code
	.venv/bin/python scripts/gen_docs.py

bench: setup ## measure what the gateway adds to requests and to streams
	.venv/bin/python bench/overhead.py
	.venv/bin/python bench/streams.py

lock: ## resolve all dependencies anew and write constraints.txt
	scripts/lock.sh

clean: ## remove .venv, caches and the demo's output; never a data directory of yours
	rm -rf .venv demo-report build dist *.egg-info
	rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
