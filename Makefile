# Every target sets up the environment first, if needed.
# make test       run the tests, except the slow ones
# make test-slow  run the slow tests: kills, clusters, full networks, the README
# make coverage   run the tests, except the slow ones, and list the lines that none of them runs; takes twice as long
# make demo       run the whole workflow on Temporal Shapes, in a new folder demo/
# make docs       write docs/commands.md from the help texts, and the outputs in docs/laboratory.md
# make reports    draw the figures and print the tables in reports/temporal-shapes
# make lint       check format, style and types
# make bench      print the speed bars, as ratios to plain code in the same run
# make attack     kills, parallel writers, full disks, damaged and hostile files: what docs/reliability.md promises
# python benchmarks/gpu.py   measure every GPU figure, on a machine that has a GPU
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
READY   = $(VENV)/.ready

.PHONY: attack coverage test test-slow demo docs reports lint bench setup clean
setup: $(READY)

# torch and torchvision come from the same index: torchvision cannot be imported with a CPU-only torch.
$(READY): pyproject.toml $(wildcard gsm_bench/kernels/*.pyx gsm_bench/kernels/*.h gsm_bench/kernels/build.py)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch torchvision
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[score,ray,figures,parquet,fetch,hf,timm,remote,dev]'
	touch $(READY)

# Two processes share the cores: threads of torch that wait for each other sleep, and those of BLAS, which would spin, are off.
test test-slow coverage: export OMP_WAIT_POLICY ?= passive
test test-slow coverage: export OPENBLAS_NUM_THREADS ?= 1

test: setup
	$(BIN)/python -m pytest -n 2 -m "not slow"

coverage: setup
	$(BIN)/python -m pytest -n 2 -m "not slow" --cov --cov-report=term

test-slow: setup
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m slow

demo: setup
	$(BIN)/gsmbench demo --dir demo

docs: setup
	$(BIN)/python -m gsm_bench.cli.reference > docs/commands.md
	$(BIN)/python tests/test_laboratory.py

reports: setup
	$(BIN)/python tests/figures/test_reports.py

lint: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: setup
	$(BIN)/python benchmarks/run.py
	$(BIN)/python benchmarks/frames.py

attack: setup
	$(BIN)/python benchmarks/attack.py

clean:
	rm -rf $(VENV) demo build dist
