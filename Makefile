# Two targets matter: `make course` builds everything, `make test` checks everything.
PYTHON ?= python3
BIN := .venv/bin
COURSE := _build/course
UNITS := $(sort $(basename $(notdir $(wildcard solutions/*.py))))
# The unit whose invented class shows what an instructor gets.
SAMPLE := luong
# The models are small: a second thread gains little, and threads that outnumber the free cores
# wait for each other.
export OMP_NUM_THREADS ?= 1

.PHONY: course test test-gpu book exercises class lint results benchmarks audit clean

course: book class
	@echo
	@echo "The book:          $(abspath _build/html/index.html)"
	@echo "The class report:  $(abspath $(COURSE)/reports/$(SAMPLE).html)"
	@echo "Feedback pages:    $(abspath $(COURSE)/feedback)"
	@echo "Marks as CSV:      $(abspath $(COURSE)/reports/$(SAMPLE).csv)"
	@echo "The exercises:     $(abspath exercises)"

# Some tests compute and some wait: three processes keep two cores busy.
test: course lint
	$(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder

# The environment: made once, and again when its description changes.
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

book: .venv/installed exercises
	$(BIN)/jupyter-book build book -W -n --keep-going

exercises: .venv/installed
	for unit in $(UNITS); do \
		$(BIN)/autograder release $$unit --course $(COURSE) --exercises exercises || exit 1; \
	done

# The sample class is the course's own code: where the sandbox does not hold it may run without.
class: exercises
	$(BIN)/autograder sample-class $(SAMPLE) --course $(COURSE)
	$(BIN)/autograder grade $(SAMPLE) --course $(COURSE) --timeout 20 \
		--sandbox $$($(BIN)/autograder doctor >/dev/null 2>&1 && echo auto || { \
			echo "The sandbox does not hold here (see autograder doctor): grading without." >&2; \
			echo none; }) \
		|| test $$? -eq 1  # one of the sample notebooks is unreadable on purpose
	$(BIN)/autograder feedback $(SAMPLE) --course $(COURSE)
	$(BIN)/autograder report $(SAMPLE) --course $(COURSE)
	$(BIN)/autograder export $(SAMPLE) --course $(COURSE) --format csv --to $(COURSE)/reports/$(SAMPLE).csv

audit: .venv/installed
	$(BIN)/autograder audit --all

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# The tests that take a device, on CUDA; the outcome is kept in attention_lib/results.
test-gpu: .venv/installed
	$(BIN)/python experiments/gpu_tests.py

# Runs every experiment that is too long for a chapter and rewrites the records that the book
# shows: hours on two cores, and each goes on where it was broken off. ATTENTION_DATA must name a
# folder with the real data sets.
results: .venv/installed
	for script in recurrence_cost model_cost recall one_vector bahdanau_translator luong_states \
			luong_variants positions norm_order captioning classifiers; do \
		$(BIN)/python experiments/$$script.py || exit 1; \
	done
	$(BIN)/python experiments/multi30k.py --steps 1600 --max-tokens 2048 \
		--penalties 0 0.6 1 1.4 1.8 --name multi30k_short
	$(BIN)/python experiments/multi30k.py --models Transformer-tiny --seeds 0 --every 400 --lowercase \
		--name multi30k_lowercase

# Compares with peers, side by side: wants a quiet machine, ATTENTION_DATA and the peers' packages.
benchmarks: .venv/installed
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[peers]'
	for script in recurrent transformer_training transformer_decoding attention_memory; do \
		$(BIN)/python benchmarks/$$script.py --threads 2 || exit 1; \
	done
	$(BIN)/python benchmarks/grading.py --scale 1000
	$(BIN)/python benchmarks/protections.py
	$(BIN)/python benchmarks/scale.py --pages
	$(BIN)/python benchmarks/attacks.py

clean:
	rm -rf _build
