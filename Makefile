# Everything runs in .venv, made on the first call. A plain Linux machine may set
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
# to get the small CPU build of torch instead of the one with CUDA (see README).
PYTHON      ?= python3
TORCH_INDEX ?=
VENV        ?= .venv
BIN         := $(VENV)/bin
ARGS        ?=
# One more than two cores: the live tests, which one worker has, wait most of their time.
WORKERS     ?= --numprocesses 3 --dist loadscope
# Libraries compute on one thread: the workers fill the cores, and threads that wait for each other would burn a third.
PYTEST      := OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(WORKERS)

.PHONY: demo test quick check bench fuzz faults attack blender site setup clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "multiview needs Python 3.11 or newer: make $(MAKECMDGOALS) PYTHON=python3.11"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# torch by itself and first: an --index-url for it must not apply to anything else.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) torch
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@# numba's kernels, kept in __pycache__: without this the first start would wait for them.
	$(BIN)/multiview compile
	@touch $@

$(VENV)/.docs-ready: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs]'
	@touch $@

demo: $(VENV)/.ready
	$(BIN)/multiview demo $(ARGS)

test: $(VENV)/.ready
	$(PYTEST) $(ARGS)

# What takes seconds, no real processes, shapes of arrays unchecked: an answer within a minute.
quick: $(VENV)/.ready
	SHAPES=unchecked $(PYTEST) --numprocesses 2 -m "not slow" $(ARGS)

check: $(VENV)/.ready $(VENV)/.docs-ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(PYTEST) $(ARGS)

bench: $(VENV)/.ready
	$(BIN)/python -m benchmarks $(ARGS)

fuzz: $(VENV)/.ready
	$(BIN)/python -m benchmarks fuzz --messages 1000000 $(ARGS)
	$(BIN)/python -m benchmarks fuzz --socket --messages 100000 $(ARGS)
	$(BIN)/python -m benchmarks mutated_files --files 10000

# dist/multiview_blender.zip, for Blender 4.2 and later: Preferences, Get Extensions, Install from Disk.
blender: $(VENV)/.ready
	$(BIN)/python examples/blender/make_extension.py $(ARGS)

faults: $(VENV)/.ready
	$(BIN)/python -m benchmarks faults $(ARGS)
	$(BIN)/python -m benchmarks bad_night

attack: $(VENV)/.ready
	$(BIN)/python -m benchmarks attack $(ARGS)

site: $(VENV)/.docs-ready
	$(BIN)/python docs/make_site.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis
