# VENV=folder uses another environment, CORES=4 fewer cores.

VENV ?= .venv
PYTHON ?= python3.11
CORES ?= all
export PATH := $(abspath $(VENV))/bin:$(PATH)

.DEFAULT_GOAL := help
.PHONY: help env smoke reports docs notebook test check bench golden mutants cluster

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 10

env: $(VENV)/requirements.lock  ## the environment, as requirements.lock says

$(VENV)/requirements.lock: requirements.lock
	$(PYTHON) -m venv $(VENV)
	pip install --quiet --disable-pip-version-check -r requirements.lock
	pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	cp requirements.lock $@

smoke: env  ## every rule and a page in .smoke/, in two minutes; its numbers mean nothing
	mkdir -p .smoke
	cmp -s tests/params.smoke.yaml .smoke/params.yaml || cp tests/params.smoke.yaml .smoke/params.yaml
	snakemake --directory .smoke --cores $(CORES)

reports: env  ## every table and figure of the study that params.yaml selects
	snakemake --cores $(CORES)

docs: env  ## the demo's tables, as they lie in reports/, into docs/results/ and into every page that shows their numbers
	python docs/fill.py
	python docs/audit.py

notebook: env  ## docs/notebooks/*.ipynb from the scripts beside them, with what they show; CARDS=FOLDER for cards
	cd docs/notebooks && jupytext --quiet --to ipynb three_ways.py
	cd docs/notebooks && $(if $(CARDS),CARDS=$(abspath $(CARDS))) PYTHONWARNINGS=ignore jupyter execute --inplace three_ways.ipynb

test: env  ## the tests, the pipeline at its smallest among them
	OMP_NUM_THREADS=1 python -m pytest --numprocesses 2 --dist loadfile

check: env  ## format, lint, types, licences
	ruff format --check
	ruff check
	mypy
	snakefmt --check --line-length 118 workflow
	python tests/licences.py

bench: env reports  ## what a training step, a question and a run with nothing to do cost, written to benchmarks/
	OMP_NUM_THREADS=1 python benchmarks/step.py
	OMP_NUM_THREADS=1 python benchmarks/answers.py
	python benchmarks/noop.py
	python benchmarks/start.py
	python benchmarks/numerics.py

MODULES ?= $(error name the files to be changed: MODULES="pcl/methods/cc.py")
TESTS ?= $(error name the tests that should notice: TESTS="tests/methods/test_cc.py")

mutants: env .mutants/bin/mutmut  ## changes of MODULES, one at a time, that no test of TESTS notices
	.mutants/bin/python tests/mutants.py --modules $(MODULES) --tests $(TESTS)

.mutants/bin/mutmut:
	$(PYTHON) -m venv .mutants
	.mutants/bin/pip install --quiet --disable-pip-version-check mutmut==3.8.1
	echo $(abspath $(VENV))/lib/python3.11/site-packages > .mutants/lib/python3.11/site-packages/project.pth

STUDY ?= smoke

cluster: env .cluster/snakemake_executor_plugin_slurm  ## a study on a Slurm of this machine, killed and requeued; STUDY=short: two runs
	PYTHONPATH=$(abspath .cluster) OMP_NUM_THREADS=1 python tests/cluster/slurm.py $(STUDY)

.cluster/snakemake_executor_plugin_slurm:
	-pip install --quiet --disable-pip-version-check --no-deps --target .cluster \
		snakemake-executor-plugin-slurm==2.8.0 snakemake-executor-plugin-slurm-jobstep==0.6.1

golden: env  ## what every processor must give (tests/golden/), after a change that is meant to move numbers
	OMP_NUM_THREADS=1 python tests/golden/runs.py tests/golden/runs.json
