# StyleTalk Live: `make serve` starts the server, `make test` runs the tests.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
STAMP  := $(VENV)/.installed
BEGUN  := $(VENV)/.begun
CHROMIUM := $(or $(shell command -v chromium),$(shell command -v chromium-browser),$(shell command -v google-chrome))

.DEFAULT_GOAL := help
.PHONY: help setup system-libraries serve test test-without-browser test-without-lab test-in-browser lint lint-python lint-javascript coverage bench fuzz soak soak-live chromium clean

help:
	@echo "make serve     install what is missing and start the server on 127.0.0.1:8080"
	@echo "make test      run every test, with a real browser where there is one, and many again without the extra lab"
	@echo "make lint      ruff and mypy; eslint and TypeScript where there is npm"
	@echo "make coverage  branches of server/ and streaming/ that the tests without a browser reach"
	@echo "make bench     speed, latency, capacity and quality into docs/bench/ and docs/results.md"
	@echo "make fuzz      100,000 malformed offers, messages and files, about 20 minutes"
	@echo "make soak      eight hours of a call in virtual time, about 30 minutes"
	@echo "make soak-live an hour of a server with a caller, a presenter and viewers who come and go"

setup: $(STAMP)

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "StyleTalk Live needs Python 3.11 or newer; set PYTHON=/path/to/python3.11")'
	@if [ -e $(BEGUN) ]; then echo "the last installation was not completed: starting over"; rm -rf $(VENV); fi
	@mkdir -p $(VENV) && touch $(BEGUN)
	$(PYTHON) -m venv $(VENV)
	$(PIP) $$(grep '^torch==' requirements.lock)
	$(PIP) --no-deps -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@rm $(BEGUN)
	@$(BIN)/python -c 'import cv2, mediapipe' 2>/dev/null || $(MAKE) --no-print-directory system-libraries
	@touch $(STAMP)

# Shared libraries required by OpenCV and MediaPipe that are missing on a minimal Debian or Ubuntu.
system-libraries:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing the system libraries of OpenCV and MediaPipe"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends libgl1 libegl1 libgles2 libglib2.0-0 >/dev/null; \
	else \
		$(BIN)/styletalk doctor; \
		echo "install the missing system libraries as said above, then run make again"; exit 1; \
	fi

serve: setup
	@$(BIN)/styletalk serve $(SERVE_OPTIONS)

# Each part runs even if an earlier one fails.
test: setup chromium
	@$(MAKE) --no-print-directory --keep-going --jobs=1 test-without-browser test-without-lab test-in-browser

test-without-browser:
	$(BIN)/python -m pytest -m "not browser and not benchmark"

# Features of an installation without the `lab` extra: serving, uploads, rendering.
WITHOUT_LAB := tests/unit/test_without_lab.py tests/unit/test_startup.py tests/unit/test_docs.py tests/unit/server \
	tests/unit/styletalk_core/library tests/unit/styletalk_core/recognizer tests/integration/test_uploads.py

test-without-lab:
	$(BIN)/python -m pytest -m "not browser and not benchmark" --without-lab $(WITHOUT_LAB)

test-in-browser:
	$(BIN)/python -m pytest -m "browser and not benchmark"

chromium:
ifeq ($(CHROMIUM),)
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "installing Chromium for the browser tests"; \
		apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	else \
		echo "no Chromium found: the browser tests are skipped"; \
	fi
endif

lint: lint-python lint-javascript

lint-python: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ifeq ($(shell command -v npm),)
lint-javascript:
	@echo "no npm found: the JavaScript is not checked"
else
lint-javascript: node_modules/.package-lock.json
	npm run --silent lint

node_modules/.package-lock.json: package.json package-lock.json
	npm ci --no-audit --no-fund
	@touch $@
endif

coverage: setup
	$(BIN)/python -m pytest -m "not browser and not benchmark" --cov --cov-report=term-missing:skip-covered

bench: setup
	$(BIN)/styletalk bench all --out docs/bench
	$(BIN)/styletalk results
	$(BIN)/python -m pytest -m benchmark

fuzz: setup
	cd tests && ../$(BIN)/python -m fuzzing --cases 100000

soak: setup
	cd tests && ../$(BIN)/python -m long_call --hours 8

soak-live: setup
	cd tests && ../$(BIN)/python -m live_soak --minutes 60

clean:
	rm -rf $(VENV) node_modules build *.egg-info
