# make test   set up if needed, then run the tests but the slow ones
# make test-slow   run the slow ones: kills, clusters, whole networks, the README
# make demo   set up if needed, then run the whole workflow on Temporal Shapes, in a new folder demo/
# make docs   write docs/commands.md from the help texts
# make lint   format check, linter, types
# make bench  speed bars, as ratios to plain code in the same run
# python benchmarks/gpu.py   every figure of a GPU, on a machine that has one
# make kills  100 random kills of runs with changing numbers of processes, threads and readers
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

.PHONY: test test-slow demo docs lint bench kills setup clean
setup: $(READY)

# torch and torchvision come together from the registry's default: torchvision does not import beside a CPU-only torch.
$(READY): pyproject.toml $(wildcard gsm_bench/kernels/*.pyx gsm_bench/kernels/*.h gsm_bench/kernels/build.py)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch torchvision
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[score,ray,figures,parquet,dev]'
	touch $(READY)

test: setup
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile -m slow

demo: setup
	$(BIN)/gsmbench demo --dir demo

docs: setup
	$(BIN)/python -m gsm_bench.cli.reference > docs/commands.md

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python benchmarks/run.py

kills: setup
	$(BIN)/python benchmarks/kills.py

clean:
	rm -rf $(VENV) demo build dist
