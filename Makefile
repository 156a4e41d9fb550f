# Each target installs what it needs into .venv first. PYTHON chooses the interpreter, PIP_ARGS is handed to pip.
PYTHON ?= python3
PIP_ARGS ?=
SECONDS ?= 600
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/installed
COG := $(BIN)/python -m cogapp -I docs
SPHINX := $(BIN)/python -m sphinx -q -W -b html docs build/docs
GENERATED := README.md docs/algorithm.md docs/benchmarks.md docs/commands.md docs/compare.md docs/data.md docs/design.md docs/explain.md docs/export.md docs/forecast.md docs/from_run.md docs/models.md docs/questions.md docs/recipes.md docs/serve.md docs/settings.md docs/tag.md docs/transcribe.md docs/translate.md docs/vectors.md
BENCHMARKS := $(sort $(filter-out benchmarks/large_corpus.py benchmarks/algorithms.py benchmarks/answer_questions.py benchmarks/serve.py benchmarks/verdicts.py,$(wildcard benchmarks/*.py)))

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow faults check docs bench questions format clean

help:
	@echo 'make demo        compare five models on Moby Dick, three seeds each (about six minutes)'
	@echo 'make test        run the tests'
	@echo 'make faults      broken files, kills and full disks for ten minutes; SECONDS=60 for one'
	@echo 'make test-slow   run the learning tests (minutes each)'
	@echo 'make check       format, lint, types, imports, generated documents, documentation site'
	@echo 'make docs        build the documentation site in build/docs'
	@echo 'make format      format the code and regenerate the documents'
	@echo 'make bench       run the benchmarks; CORPUS=FILE adds a benchmark on a large text'
	@echo 'make questions   train the models behind docs/questions.md and write its figures and tables'
	@echo 'make clean       remove .venv and caches; runs/ stays'

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[baselines,dev,export,jobs,serve,sound,track,tune]'
	@touch $@

# A comparison that is finished prints its scoreboard again at once; remove runs/demo for a new one.
demo: $(STAMP)
	$(BIN)/seqloom compare language-model examples/moby_dick.txt --models ffnn,rnn,lstm,transformer \
		--minutes 0.3 --out runs/demo --set tokenizer.kind=bpe --set tokenizer.vocab_size=4000

test: $(STAMP)
	$(BIN)/python -m pytest -n auto --dist worksteal

# A campaign of ten minutes unless SECONDS says otherwise, two files at a time, each in a process of its own. Each prints
# its seed, which is new unless SEQLOOM_FAULT_SEED gives one: then the same inputs are tried again.
faults: $(STAMP)
	printf '%s\n' $(wildcard tests/faults/test_*.py) | \
		SEQLOOM_FAULT_SECONDS=$(SECONDS) xargs -P 2 -I FILE $(BIN)/python -m pytest -m faults FILE

test-slow: $(STAMP)
	$(BIN)/python -m pytest -m slow

check: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(COG) --check --diff $(GENERATED)
	$(SPHINX)

docs: $(STAMP)
	$(BIN)/python docs/make_gallery.py
	$(SPHINX)
	@echo 'open build/docs/index.html'

format: $(STAMP)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(COG) -r $(GENERATED)

bench: $(STAMP)
	set -e; for script in $(BENCHMARKS); do echo "== $$script"; $(BIN)/python $$script; done
	$(if $(CORPUS),$(BIN)/python benchmarks/large_corpus.py '$(CORPUS)')

questions: $(STAMP)
	$(BIN)/python benchmarks/answer_questions.py
	$(BIN)/python docs/answers.py
	$(COG) -r docs/questions.md

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
