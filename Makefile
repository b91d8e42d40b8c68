# The two commands: `make` (install, then the main job) and `make test`. GNU make 3.81 syntax.
# PYTHON chooses the interpreter (3.11 or newer), VENV the environment's folder, EXTRAS what is
# installed beside the core.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= dev

BIN = $(VENV)/bin
STAMP = $(VENV)/.installed-$(EXTRAS)
COMMA = ,
CODE = evaluators reasoning search labs benchmarks tests

OMP_NUM_THREADS ?= 1
export OMP_NUM_THREADS

.PHONY: all install demo test lab check lint types layers browser-test constraints clean

all: demo

install: $(STAMP)

# A second run finds the stamp and installs nothing. An environment that exists is used as it is.
$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else "Python 3.11 or newer is needed, this is %d.%d: make PYTHON=python3.12" % v[:2])'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV): a few minutes the first time"
	$(BIN)/python -m pip install -qq -c constraints.txt -e ".[$(EXTRAS)]"
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/reasonlab demo

test: $(STAMP)
	$(BIN)/python -m pytest

lab: $(STAMP)
	$(BIN)/python -m jupyter lab labs

check: lint types layers test

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/pyright --pythonpath $(BIN)/python

layers: $(STAMP)
	$(BIN)/python -m pytest tests/test_layers.py tests/test_imports.py

browser-test:
	$(MAKE) install EXTRAS=dev$(COMMA)browser
	$(BIN)/python -m pytest -rs tests/browser

# Needs uv. The pin of torch is one version for every platform; pip takes the build that fits.
constraints:
	echo torch==2.13.0 > $(VENV)/torch.txt
	uv pip compile --universal --python-version 3.11 pyproject.toml --all-extras --no-annotate --no-header -c $(VENV)/torch.txt -o constraints.txt

clean:
	rm -rf $(VENV) build *.egg-info
