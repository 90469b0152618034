# Needs python3 with venv, git and make; everything else comes from requirements.lock.
PYTHON ?= python3
UV ?= uv
# more than the two cores that this is measured on: tests of cameras, servers and pages mostly wait
WORKERS ?= 4

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip -qq --disable-pip-version-check
LOCKED := $(VENV)/.locked
STAMP := $(VENV)/.installed
CODE := vision streams models api tests
# where it is set, each of the many processes of the tests compiles all of our code anew
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo check collected format test test-long faults acceptance images performance texts lock clean
.DELETE_ON_ERROR:

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "make %-11s %s\n", $$1, $$2 }'

setup: $(STAMP) ## .venv with the locked tools and the project (quick when nothing changed)

$(LOCKED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "this needs Python 3.11 or newer: make setup PYTHON=python3.12")'
	$(PYTHON) -m venv --clear $(VENV)
	$(PIP) install --require-hashes --no-deps -r requirements.lock
	touch $@

$(STAMP): $(LOCKED) pyproject.toml
	$(PIP) install --no-deps --no-build-isolation -e .
	touch $@

demo: $(STAMP) ## three cameras, their counts and alerts, in the browser (ARGS="--for 60 --no-browser")
	$(BIN)/matakota demo $(ARGS)

check: $(STAMP) ## lint, format, types, import directions
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

format: $(STAMP) ## rewrite the code as `make check` wants it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Each file's tests stay on one worker, so that what a module sets up is set up once. The longest files
# come first (tests/conftest.py), not those with the most tests.
SPREAD := --dist loadfile --no-loadscope-reorder

# beside the check, so that the workers find what they would otherwise each make for themselves
collected: $(STAMP)
	@$(BIN)/python -m pytest --collect-only -qq >/dev/null 2>&1 || true # the tests say what is wrong

test: $(STAMP) ## check, then every test but the long ones
	@$(MAKE) --no-print-directory -j2 check collected
	$(BIN)/python -m pytest -n $(WORKERS) $(SPREAD)

test-long: $(STAMP) ## the tests marked long
	$(BIN)/python -m pytest -n $(WORKERS) $(SPREAD) -m long

KILLS ?= 20
faults: $(STAMP) ## kill -9 of every part, KILLS times each, under 10,000 alerts (SEED=n repeats a plan)
	$(BIN)/python -m tests.faults --kills $(KILLS) $(if $(SEED),--seed $(SEED)) $(ARGS)

acceptance: $(STAMP) ## run the product as its users do, and judge what it says
	$(BIN)/python -m tests.acceptance

images: $(STAMP) ## make the pictures of the documentation anew
	$(BIN)/python -m docs.images.render
	$(BIN)/python -m docs.images.explain
	$(BIN)/python -m docs.images.incidents
	$(BIN)/python -m docs.images.room
	$(BIN)/python -m docs.images.shift
	$(BIN)/python -m docs.images.editor
	$(BIN)/python -m docs.images.people
	$(BIN)/python -m docs.images.traffic
	$(BIN)/python -m docs.images.validation

performance: $(STAMP) ## measure what everything costs, for docs/performance.md (ARGS="plaza peers")
	$(BIN)/python -m docs.measured $(ARGS)

texts: $(STAMP) ## bring the catalogues of what pages say up to date
	$(BIN)/python -m tests.api.texts

# opencv-python is left out by [tool.uv] in pyproject.toml; one version of everything serves all
# Pythons; no index address is written.
LOCK := pip compile pyproject.toml --extra build --extra test --extra bench --group measure \
	--universal --python-version 3.11 --fork-strategy fewest --generate-hashes

lock: ## make requirements.lock anew (needs uv); UPGRADE=1 takes newer versions
	{ echo '# Every package of `make setup`, for Linux and macOS, from Python 3.11 on, with hashes.'; \
	  echo '# Made by `make lock`:'; \
	  echo '#   uv $(LOCK)'; \
	  echo '# Install with: pip install --require-hashes --no-deps -r requirements.lock'; \
	  echo '# --no-deps matters: trackeval and trackers ask for opencv-python, which is left out on purpose'; \
	  echo '# so that opencv-python-headless alone provides cv2.'; \
	} > requirements.head
	$(UV) $(LOCK) --quiet --no-header $(if $(UPGRADE),--upgrade) --output-file requirements.lock
	cat requirements.head requirements.lock > requirements.new
	mv requirements.new requirements.lock
	rm requirements.head

clean: ## remove what make made
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find $(CODE) samples -name __pycache__ -type d -prune -exec rm -rf {} +
