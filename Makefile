# Two commands do it all: `make book` and `make test`. Each sets up what it needs.
PYTHON ?= python3
VENV ?= .venv
PORT ?= 8000
NAMES ?=

ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
PY := $(BIN)/python

# Processes of the tests: the tests of one file, or the cells of one notebook, share one.
WORKERS ?= 2

.DEFAULT_GOAL := help
.PHONY: help book test execute sync check mutants serve linkcheck lock floor colab environment vendor clean

help:
	@echo "make book      build the book into _build/html and print its address"
	@echo "make test      run the unit tests, then every notebook in its fast size"
	@echo "make execute   run the notebooks in full and store their outputs (NAMES='gradients' for some)"
	@echo "make sync      bring notebooks and their text twins in notebooks/src together"
	@echo "make check     style, types, notebooks against twins and outputs, the repository's address"
	@echo "make mutants   break the library on purpose, list what no test notices (NAMES='optim text')"
	@echo "make serve     build the book and show it on http://127.0.0.1:$(PORT)"
	@echo "make linkcheck visit every link in the book"
	@echo "make lock      renew requirements.lock from requirements.txt, with hashes"
	@echo "make floor     test rnnlib with the oldest packages that it allows, in .venv-floor"
	@echo "make colab     test rnnlib and each notebook with Colab's versions, in .venv-colab"
	@echo "make clean     remove the built book, vendored scripts and caches (VENV=... stays)"
	@echo "Settings: PYTHON=python3.12 (3.11 to 3.13), VENV=.venv, STRICT=1 (warnings are errors),"
	@echo "          TORCH_INDEX=https://download.pytorch.org/whl/cpu (on Linux without a GPU)"

environment:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "There is no command '$(PYTHON)' here. Install Python 3.11, 3.12 or 3.13" \
	       "(https://www.python.org), or name yours: make book PYTHON=/path/to/python"; exit 1; }
	@$(PYTHON) tools/environment.py --venv $(VENV)

# Without npm the book still builds; its equations then come from a CDN.
vendor:
	@echo "==> vendoring the scripts of the pages"
	@bash tools/vendor.sh || echo "==> could not vendor: see above. The CDN will do."

book: environment vendor
	@$(PY) tools/build_book.py

# A kernel starts with a DeprecationWarning on Python 3.12 and later. In the unit tests, which run
# the same cells, those are errors too.
test: environment
	@echo "==> unit tests"
	@$(PY) -m pytest -n $(WORKERS) --dist loadfile tests
	@echo "==> every notebook in its fast size, outputs compared where they are marked"
	@RNNLIB_FAST=1 RNNLIB_PROGRESS=0 OMP_NUM_THREADS=1 JUPYTER_PREFER_ENV_PATH=1 PYTHONWARNINGS=error,default::DeprecationWarning \
	  $(PY) -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=900 --nbval-kernel-startup-timeout=900 \
	  -n $(WORKERS) --dist loadscope notebooks

execute: environment
	@echo "==> executing notebooks at their default size"
	@$(PY) tools/notebooks.py execute $(NAMES)

sync: environment
	@$(PY) tools/notebooks.py sync $(NAMES)

check: environment
	@echo "==> ruff"
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check rnnlib tools tests
	@echo "==> mypy"
	@$(PY) -m mypy
	@echo "==> notebooks, twins and outputs"
	@$(PY) tools/notebooks.py check
	@echo "==> the repository's address"
	@$(PY) tools/address.py check
	@echo "==> the version, and what first cells install"
	@$(PY) tools/release.py check

mutants: environment
	@$(PY) tools/mutants.py $(NAMES)

serve: book
	@$(PY) tools/serve.py --port $(PORT)

linkcheck: environment
	@$(PY) tools/build_book.py --builder linkcheck

lock: environment
	@$(PY) tools/lock.py
	@$(PYTHON) tools/environment.py --venv $(VENV)

floor colab: environment
	@$(PY) tools/bounds.py $@

clean:
	@echo "==> removing the built book, vendored scripts and caches"
	@rm -rf _build book/_generated .pytest_cache .mypy_cache .ruff_cache .checks
	@bash tools/vendor.sh --clean
	@find . -name __pycache__ -type d -not -path './.venv*' -prune -exec rm -rf {} +
	@echo "==> kept: the environment $(VENV) (remove it with: rm -rf $(VENV))"
