# Every verb works from a fresh clone with Python 3.11+, make, and Java 17 with Maven. With Docker instead of Java, demo does:
# docker compose up -d kafka; make demo ARGS="--bootstrap 127.0.0.1:29092". test, bench and up start Kafka from its jars.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Tests and commands start many processes, and each of them would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
RUNS := $(VENV)/.runs
STAMP := $(VENV)/.installed
KERNEL := $(VENV)/.kernel
PACKAGES := schemas encoders ranker streams
LOG ?=
ARGS ?=

OLD_ENOUGH := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
# The first interpreter that really starts and is new enough; PYTHON=… on the command line wins.
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3.14 python3 python; do \
	$$p -c '$(OLD_ENOUGH)' >/dev/null 2>&1 && { echo $$p; break; }; done)
UV ?= $(shell uv --version >/dev/null 2>&1 && echo uv)

.PHONY: help setup tools models models-from-source jars ready demo playground test test-fast fuzz check format edge bench baselines chaos chaos-long soak up lock schemas pictures film clean

help:  ## Say what each verb does.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: tools $(STAMP) $(KERNEL) models  ## Make .venv from the lock, install Freshet, export the models; a second run does nothing.

NO_PYTHON := missing: Python 3.11 or newer with venv. Install it (Debian, Ubuntu: apt-get install python3 python3-venv; \
	macOS: brew install python@3.11), or name it: make setup PYTHON=python3.x
HAS_PYTHON = $(PYTHON) -c '$(OLD_ENOUGH)' >/dev/null 2>&1

tools:
	@missing=0; \
	{ [ -n "$(PYTHON)" ] && $(HAS_PYTHON); } || { missing=1; echo "$(NO_PYTHON)"; }; \
	java=$$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -1 || true); \
	if [ "$${java:-0}" -lt 17 ] || ! command -v mvn >/dev/null; then \
		if ! docker info >/dev/null 2>&1; then missing=1; \
			[ "$${java:-0}" -ge 17 ] || echo "missing: Java 17 or newer, which runs the local Kafka (found: $${java:-none})." \
				"Install it (Debian, Ubuntu: apt-get install openjdk-17-jre-headless; macOS: brew install openjdk@17), or start Docker."; \
			command -v mvn >/dev/null || echo "missing: Maven, which fetches Kafka's jars." \
				"Install it (Debian, Ubuntu: apt-get install maven; macOS: brew install maven), or start Docker."; fi; fi; \
	exit $$missing

# What Freshet runs on, and Freshet itself; what develops and tests it comes on top, where a verb needs that.
INSTALL = if [ -n "$(UV)" ]; then $(UV) pip install -q --compile-bytecode --python $(BIN)/python $(1); \
	else $(BIN)/python -m pip install --disable-pip-version-check $(1) | sed -un 's/^ *Downloading \(.* MB)\)/  fetching \1/p'; fi
$(RUNS): requirements/runtime.txt requirements/build.txt pyproject.toml
	@{ [ -n "$(PYTHON)" ] && $(HAS_PYTHON); } || { echo "$(NO_PYTHON)"; exit 1; }
	@echo "making $(VENV) with $(PYTHON) from requirements/runtime.txt (355 MB to fetch, once)"
	@rm -f $@
	@$(PYTHON) -m venv $(VENV)
	@$(call INSTALL,--require-hashes -r requirements/runtime.txt -r requirements/build.txt)
	@$(call INSTALL,--no-deps --no-build-isolation -e .)
	@touch $@

# Ranking's small loops, where there is a C compiler; a sentence where there is none.
$(KERNEL): $(RUNS) $(wildcard ranker/pipeline/kernel/*.[ch])
	@$(BIN)/python -m ranker.pipeline.kernel.build
	@touch $@

$(STAMP): requirements/dev.txt $(RUNS)
	@echo "adding requirements/dev.txt (125 MB to fetch, once)"
	@rm -f $@
	@$(call INSTALL,--require-hashes -r requirements/dev.txt)
	@touch $@

# `freshet export` says itself whether the cached models match their manifest, and is quick where they do.
models: tools $(RUNS)
	@$(BIN)/freshet export

models-from-source: tools $(RUNS)  ## Make the models with torch and transformers, beside the others: 2 GB more to fetch; CI compares them.
	@$(BIN)/freshet export --from-source

jars: tools $(RUNS)
	@if command -v mvn >/dev/null; then $(BIN)/freshet broker --fetch; fi

# Models and Kafka's jars are fetched side by side.
ready: tools $(RUNS) $(KERNEL)
	@$(MAKE) -j2 models jars

CLIPS ?= $(wildcard ../shared/data)
demo: ready  ## Show a slate change while events come in; LOG=events.jsonl plays a recorded log, CLIPS=folder encodes its clips.
	@$(BIN)/freshet demo $(if $(LOG),--log "$(LOG)") $(if $(CLIPS),--clips "$(CLIPS)") $(ARGS)

playground: ready  ## Run everything with made-up people and a page in the browser until Ctrl-C; ARGS=--check tries it and ends.
	@$(BIN)/freshet playground $(if $(CLIPS),--clips "$(CLIPS)") $(ARGS)

# Four processes on two cores: each has its own Kafka and its own models, and while some wait for a broker the others compute;
# six take as long, and time-outs on a busy machine are nearer.
# Tests that wait for nothing need two. A file's tests stay together, for they share what is costly to make; JOBS=0 runs all
# in one process.
JOBS ?=
SHARED = -n $(or $(JOBS),$(1)) --dist loadfile --no-loadscope-reorder

test: setup jars  ## Run all tests, also those that start a real Kafka; ARGS="-k story" is handed to pytest.
	@$(BIN)/python -m pytest -m "" $(call SHARED,4) $(ARGS)

test-fast: setup  ## Run the tests of the inner loop: units, contracts, rules of the tree; no broker, some two minutes.
	@$(BIN)/python -m pytest tests/unit tests/contracts tests/meta $(call SHARED,2) $(ARGS)

fuzz: $(STAMP)  ## Hand a million damaged messages to everything that reads bytes; ARGS="--seed 7" draws others.
	@$(BIN)/python -m tests.fuzz $(ARGS)

check: $(STAMP)  ## Lint, formatting, types and directions of imports; changes nothing.
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@PYTHONPATH=. $(BIN)/lint-imports

format: $(STAMP)  ## Put the code into shape: formatting and the lint's safe fixes.
	@$(BIN)/ruff check --fix-only -q .
	@$(BIN)/ruff format .

# An environment of its own, named by its stamp: made from the lock that is its first prerequisite.
define ENVIRONMENT
@echo "making $(@D) from $<"
@rm -f $@
@$(PYTHON) -m venv $(@D)
@if [ -n "$(UV)" ]; then $(UV) pip install -q --compile-bytecode --python $(@D)/bin/python --require-hashes -r $<; \
	else $(@D)/bin/python -m pip install -q --disable-pip-version-check --require-hashes -r $<; fi
@touch $@
endef

# Quix Streams, a peer in the benchmark, asks for older versions than ours.
PEERS := $(VENV)/peers
$(PEERS)/.installed: requirements/bench.txt | $(STAMP)
	$(ENVIRONMENT)

# RecTools, which has SASRec, asks for an older numpy than ours, and brings torch.
BASELINES := $(VENV)/baselines
$(BASELINES)/.installed: requirements/baselines.txt | $(STAMP)
	$(ENVIRONMENT)

baselines: $(BASELINES)/.installed  ## Make the environment of `freshet evaluate --baselines heavy`: 2 GB to fetch, 6 GB of disk.

# What judges the manifests in deploy/kubernetes; the test leaves that out where it is not there.
KUBERNETES := $(VENV)/kubernetes
$(KUBERNETES)/.installed: requirements/kubernetes.txt | $(STAMP)
	$(ENVIRONMENT)

# Qdrant's own engine as a library, into the same environment: tests call it. They leave it out where it is not there.
EDGE := $(VENV)/.edge
$(EDGE): requirements/edge.txt | $(STAMP)
	@rm -f $@
	@$(call INSTALL,--require-hashes -r requirements/edge.txt)
	@touch $@

edge: $(EDGE)  ## Add Qdrant's engine for the tests that call it: 14 MB to fetch.

bench: setup $(PEERS)/.installed $(EDGE)  ## Measure on this machine, beside peers; the figures in the README come from here.
	@$(BIN)/python -m tests.bench $(ARGS)

chaos: setup  ## Break things on purpose and check what is promised; ARGS="--only K1,K5" for some alone.
	@$(BIN)/python -m tests.chaos $(ARGS)

chaos-long: setup  ## The same with 200 kills, 20 rounds of rebalances and long outages.
	@$(BIN)/python -m tests.chaos --long $(ARGS)

soak: setup  ## Half an hour of steady load: memory by minute, fails where it grows; ARGS="--minutes 5 --events 200".
	@$(BIN)/python -m tests.chaos.soak $(ARGS)

up: ready  ## Run broker and all agents on this machine until Ctrl-C.
	@$(BIN)/freshet up --broker $(ARGS)

COMPILE = uv pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(ARGS)
lock:  ## Remake requirements/*.txt from pyproject.toml (needs uv); ARGS=--upgrade takes newer versions.
	@[ -n "$(UV)" ] || { echo "missing: uv, which makes the locks. Install it with: pip install uv"; exit 1; }
	$(COMPILE) pyproject.toml -o requirements/runtime.txt
	$(COMPILE) pyproject.toml --extra gpu -c requirements/runtime.txt -o requirements/gpu.txt
	$(COMPILE) pyproject.toml requirements/cpu.in --no-emit-package onnxruntime-gpu -c requirements/runtime.txt -o requirements/cpu.txt
	$(COMPILE) pyproject.toml --extra dev -c requirements/runtime.txt -o requirements/dev.txt
	$(COMPILE) requirements/build.in -c requirements/dev.txt -o requirements/build.txt
	$(COMPILE) requirements/bench.in -o requirements/bench.txt
	$(COMPILE) requirements/baselines.in -o requirements/baselines.txt
	$(COMPILE) requirements/edge.in -o requirements/edge.txt
	$(COMPILE) requirements/kubernetes.in -o requirements/kubernetes.txt
	$(COMPILE) requirements/export.in --no-emit-package triton -o requirements/export.txt

schemas: setup  ## Remake JSON Schemas, docs/asyncapi.json and the tables of the pages on messages, from the message types.
	@$(BIN)/python -m schemas.publish
	@$(BIN)/python -m tests.meta.message_tables

pictures: $(STAMP)  ## Remake docs/flow.svg, the picture of the flow, from the topics.
	@$(BIN)/python -m tests.meta.flow_picture

film: setup  ## Remake docs/page-film.webp, the recording of the page, by a headless Chromium before a playground.
	@$(BIN)/python -m tests.integration.page.film

clean:  ## Remove .venv and what tools left in this folder; models and broker data stay in their own folders.
	rm -rf $(VENV) ranker/pipeline/kernel/*.so build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
