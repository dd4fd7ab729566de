# Two targets matter: `make course` builds everything, `make test` checks everything.
PYTHON ?= python3
BIN := .venv/bin
COURSE := _build/course
UNITS := luong
# The models are small: a second thread gains little, and threads that outnumber the free cores
# wait for each other.
export OMP_NUM_THREADS ?= 1

.PHONY: course test book exercises class lint results audit clean

course: book class
	@echo
	@echo "The book:          $(abspath _build/html/index.html)"
	@echo "The class report:  $(abspath $(COURSE)/reports/luong.html)"
	@echo "Feedback pages:    $(abspath $(COURSE)/feedback)"
	@echo "Marks as CSV:      $(abspath $(COURSE)/reports/luong.csv)"
	@echo "The exercises:     $(abspath exercises)"

test: course lint
	$(BIN)/python -m pytest

# The environment: made once, and again when its description changes.
.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

book: .venv/installed exercises
	$(BIN)/jupyter-book build book -W -n --keep-going

exercises: .venv/installed
	$(BIN)/autograder release $(UNITS) --course $(COURSE) --exercises exercises

class: exercises
	$(BIN)/autograder sample-class $(UNITS) --course $(COURSE)
	$(BIN)/autograder grade $(UNITS) --course $(COURSE) --sandbox none --timeout 10 \
		|| test $$? -eq 1  # one of the sample notebooks is unreadable on purpose
	$(BIN)/autograder feedback $(UNITS) --course $(COURSE)
	$(BIN)/autograder report $(UNITS) --course $(COURSE)
	$(BIN)/autograder export $(UNITS) --course $(COURSE) --format csv --to $(COURSE)/reports/luong.csv

audit: .venv/installed
	$(BIN)/autograder audit $(UNITS)

lint: .venv/installed
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

# Trains every variant over three seeds (about an hour on two cores) and rewrites the tables that
# the chapters show. ATTENTION_DATA must name a folder with tatoeba/cmn.txt.gz.
results: .venv/installed
	$(BIN)/python experiments/luong_variants.py

clean:
	rm -rf _build
