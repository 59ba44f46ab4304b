# Chorus: everything a newcomer needs. `make help` lists the targets.
#
# TORCH chooses the build of PyTorch: the default asks pip for one pinned release. For another build, name it the way
# pip does, e.g.  make install TORCH="torch --index-url <index of your CUDA or CPU build, from pytorch.org>"

PYTHON ?= python3
VENV   ?= .venv
TORCH  ?= torch==2.13.0
OUTPUT ?= demo/$(shell date +%Y%m%d-%H%M%S)
BIN     = $(VENV)/bin
JOBS   ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo test faults soak check format clean

help:  ## list the targets
	@awk -F':.*## ' '/^[a-z]+:.*## /{printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed  ## own environment in .venv, with everything
$(VENV)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Chorus needs Python 3.11 or newer; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Python's venv is missing; on Debian or Ubuntu: apt install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade pip
	@echo "installing PyTorch ($(TORCH)), then Chorus: several hundred MB, a few minutes"
	$(BIN)/python -m pip install --progress-bar on $(TORCH)
	$(BIN)/python -m pip install --progress-bar on -e ".[dev]"
	@$(BIN)/python -c 'import cv2' 2>/dev/null || { \
	  echo "no libGL on this machine: taking OpenCV's build without windows (same version, same module)"; \
	  version=$$($(BIN)/python -c 'from importlib.metadata import version; print(version("opencv-python"))'); \
	  $(BIN)/python -m pip uninstall --quiet --yes opencv-python; \
	  $(BIN)/python -m pip install --no-deps opencv-python-headless==$$version; \
	  $(BIN)/python -c 'import cv2'; }
	@touch $@

demo: install  ## record a simulated rig, train briefly, track live, open a report
	$(BIN)/chorus demo --output $(OUTPUT)

test: install  ## the whole test suite
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup

faults: install  ## recorders killed, bytes changed, disks full, links down, overload: what the files still hold (as root)
	$(BIN)/python -m benchmarks.recorder.kills
	$(BIN)/python -m benchmarks.recorder.flips
	$(BIN)/python -m benchmarks.recorder.disk_full
	$(BIN)/python -m benchmarks.recorder.overload
	$(BIN)/python -m benchmarks.recorder.outage

soak: install  ## the whole recorder at real rates for an hour, one camera as H.264: losses, processor, memory
	$(BIN)/python -m benchmarks.recorder.whole --hours 1 --h264 1

check: install  ## lint, types and the fast tests; run it before every commit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/python -m pytest -n $(JOBS) --dist loadgroup -m "not slow"

format: install  ## let ruff mend what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:  ## remove the environment and caches; recordings and runs stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .ruff_cache .hypothesis
