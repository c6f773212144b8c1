# make demo   train the two-layer network on handwritten digits     (DATA=directory for MNIST-format files)
# make examples  run the programs of examples/, each up to the figure that it is about: a minute or two each
#                (NAME=adder runs one, whose options OPTIONS=--help lists; DATA=directory is for those of MNIST)
# make test   run every check
# make docs   build the site, in English and Chinese, into site/
# make sheet  build the site with the derivation sheet as a PDF to print: needs Debian's chromium, or CHROMIUM=path
# make notebooks  run the chapters of the tutorial as notebooks and write them into notebooks/, in both languages: the
#                 next `make docs` puts a link to each on its chapter's page
# make site-test  try the built site in a browser: needs Debian's chromium, or CHROMIUM=path
# make evidence   try every law on 1,500 drawn cases and write docs/evidence.md: twenty minutes
# make checkers   set our checks beside gradcheck, check_grads and allclose, and write it into docs/evidence.md:
#                 seven minutes of a quiet machine, with torch and JAX (OPTIONS=--quick takes a rough look in one)
# make adversaries  check some 2,500 wrong and right layers, losses, optimizers, networks and kernels, print what is
#                 found, and write it into docs/evidence.md: three quarters of an hour
# make networks   compare 500 random networks over all layers with torch, and their steps with the plain pairs: a minute,
#                 with torch (make test takes 100)
# make files      damage 20,000 files of ours, and load them: a quarter of a minute (make test takes 1,500)
# make mutants    change the code in a thousand small ways, ask that the tests notice 95%, and write it into
#                 docs/evidence.md: an hour or two (JOBS=2 tests two at a time, SAMPLE=100 takes fewer)
# make memory   measure what caches keep and what steps of whole networks hold, and write docs/memory.md: ten seconds
# make bench    time a training step beside the bare matrix products, torch, JAX and others, and write docs/speed.md:
#               half an hour of a quiet machine (OPTIONS=--quick takes a rough look in five minutes, OPTIONS=--help lists
#               more)
# make api      write the list of public names and their signatures, tests/public_api.txt
# make test-lowest  test the core with the oldest NumPy and attrs that it allows: a minute or two
# make release  build sdist and wheel into dist/, and try each on every Python of the classifiers that is here
# Each sets up what it needs in .venv first, or in one of its own. `make test PYTHON=python3.13 VENV=.venv-3.13` runs on
# another Python, in an environment beside the first.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Modules are compiled once, and not by each of the processes that tests start.
unexport PYTHONDONTWRITEBYTECODE
EXTRAS ?= dev# dev,oracles tests with torch, JAX, dask and autograd as well: some gigabytes, without a CPU build of torch

.PHONY: adversaries api bench checkers demo evidence examples files memory mutants networks notebooks release test test-lowest
.PHONY: lint types tests docs sheet site-test clean

demo: $(VENV)/demo
	$(BIN)/python -m chainrule $(if $(DATA),--data $(DATA)) $(OPTIONS)

EXAMPLES := adder mnist_convnet mnist_recurrent diabetes smile

examples: $(addprefix example-,$(or $(NAME),$(EXAMPLES)))

example-%: $(VENV)/examples
	@test -f examples/$*.py || { echo "examples/ has no program $*: NAME is one of $(EXAMPLES)"; exit 2; }
	OPENBLAS_NUM_THREADS=1 $(BIN)/python examples/$*.py $(if $(and $(DATA),$(findstring mnist,$*)),--data $(DATA)) $(OPTIONS)

CHROMIUM ?= $(shell command -v chromium)

test: lint types tests $(if $(CHROMIUM),site-test,docs)
	@$(if $(CHROMIUM),,echo "There is no chromium here: the site was built, and not tried in a browser.")

lint: $(VENV)/dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check

# TYPED=src takes the package alone, which needs a quarter of the time.
types: $(VENV)/dev
	$(BIN)/mypy $(TYPED)
	$(BIN)/pyright --pythonpath $(BIN)/python $(TYPED)

# As many at once as there are cores, and no more than four: with torch and JAX each takes 1 GB of memory and more.
tests: $(VENV)/dev
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest --numprocesses=logical --maxprocesses=4 --dist=worksteal

docs: $(VENV)/dev .assets
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --config-file mkdocs.zh.yml

SHEET := site/reference/sheet/derivation-sheet.pdf

sheet: docs
	@test -f $(SHEET) && echo $(SHEET) || { echo "$(SHEET) is not there: it takes Chromium to print it."; exit 1; }

.assets: docs/assets.py $(VENV)/dev
	$(BIN)/python docs/assets.py
	touch $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/demo: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[demo]'
	touch $@

$(VENV)/examples: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[examples]'
	touch $@

# With JAX and torch: some gigabytes, without a CPU build of torch.
example-gpt_engines: $(VENV)/engines
	$(BIN)/python examples/gpt_engines.py $(OPTIONS)

$(VENV)/engines: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[examples,jax,torch]'
	touch $@

$(VENV)/dev: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	touch $(VENV)/demo $@

site-test: $(VENV)/dev docs
	SITE_TEST=1 CHROMIUM=$(CHROMIUM) $(BIN)/pytest --numprocesses=logical --maxprocesses=2 --dist=worksteal tests/browser

evidence: $(VENV)/dev
	OPENBLAS_NUM_THREADS=1 JAX_PLATFORMS=cpu JAX_ENABLE_X64=1 SCIPY_ARRAY_API=1 PYTHONPATH=tests $(BIN)/python benchmarks/evidence.py

memory: $(VENV)/dev
	OPENBLAS_NUM_THREADS=1 PYTHONPATH=tests:benchmarks $(BIN)/python -m memory

checkers: $(VENV)/dev
	OPENBLAS_NUM_THREADS=1 JAX_PLATFORMS=cpu PYTHONPATH=tests $(BIN)/python benchmarks/checkers.py $(OPTIONS)

adversaries: $(VENV)/dev
	OPENBLAS_NUM_THREADS=1 PYTHONPATH=tests $(BIN)/python -m adversaries.judging --write docs/evidence/adversaries.json $(OPTIONS)
	PYTHONPATH=tests $(BIN)/python benchmarks/evidence.py --only adversaries

networks: $(VENV)/dev
	OPENBLAS_NUM_THREADS=1 NETWORKS=500 $(BIN)/pytest tests/oracles/test_oracle_networks.py

files: $(VENV)/dev
	FILES=20000 $(BIN)/pytest -s tests/interop/test_damaged_files.py

.venv-notebooks/ready: pyproject.toml
	$(PYTHON) -m venv .venv-notebooks
	.venv-notebooks/bin/pip install --quiet --disable-pip-version-check --editable '.[notebooks]'
	touch $@

notebooks: .venv-notebooks/ready
	OPENBLAS_NUM_THREADS=1 .venv-notebooks/bin/python docs/notebooks.py $(NAME)

.venv-mutants/ready: pyproject.toml
	$(PYTHON) -m venv .venv-mutants
	.venv-mutants/bin/pip install --quiet --disable-pip-version-check --editable '.[test,mutants]'
	touch $@

mutants: .venv-mutants/ready
	.venv-mutants/bin/python benchmarks/mutants.py --jobs $(or $(JOBS),1) --sample $(or $(SAMPLE),1000)
	PYTHONPATH=tests:benchmarks .venv-mutants/bin/python benchmarks/evidence.py --only mutants

.venv-bench/ready: pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/pip install --quiet --disable-pip-version-check --editable '.[bench]'
	touch $@

# BLAS is to choose its kernels by the processor: what is set to make old releases run slows this one down.
bench: .venv-bench/ready
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE PYTHONPATH=benchmarks:examples .venv-bench/bin/python -m speed $(OPTIONS)

api: $(VENV)/dev
	PYTHONPATH=tests:docs $(BIN)/python tests/public_api.py

# The oldest that pyproject.toml allows, with the newest of the rest that works with them, on any Python that has wheels.
LOWEST := $(shell sed -n 's/^ *"\(numpy\|attrs\)>=\([0-9.]*\)".*/\1==\2/p' pyproject.toml)

.venv-lowest/ready: pyproject.toml
	$(PYTHON) -m venv .venv-lowest
	.venv-lowest/bin/pip install --quiet --disable-pip-version-check --editable '.[files,portable,scipy,testing]' $(LOWEST) \
	  pytest array-api-strict mpmath sybil
	touch $@

test-lowest: .venv-lowest/ready
	OPENBLAS_NUM_THREADS=1 HYPOTHESIS_PROFILE=brief .venv-lowest/bin/pytest -q tests/combinators tests/initializers \
	  tests/layers tests/losses tests/optimizers tests/training tests/test_gradient.py tests/test_numeric.py \
	  tests/test_predict.py tests/test_record.py tests/test_train.py tests/test_tree.py tests/test_two_layer.py

$(VENV)/release: $(BIN)/python pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[release]'
	touch $@

release: $(VENV)/release
	OPENBLAS_NUM_THREADS=1 $(BIN)/python release/make.py

clean:
	rm -rf .venv .venv-* mutants notebooks site .assets dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis
