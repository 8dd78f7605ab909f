# What people do with this project; each target says it in one line, the work is in tools/ and in cargo.

TARGET := $(or $(CARGO_TARGET_DIR),target)
NVR := $(TARGET)/release/nvr

.PHONY: help setup build demo demo-fleet test test-long bench cross boot-test gpu-check dist lint docs clean

help: ## Print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r name text; do printf '  make %-11s %s\n' "$$name" "$$text"; done

setup: ## Install system packages, fetch model weights, ONNX Runtime and footage (again: does only what is missing)
	@tools/setup

build: ## Build the release binary, target/release/nvr
	cargo build --release --locked
	@tools/setup default-model

demo: setup build ## Play footage from RTSP cameras through the detector to a broker: make demo [DURATION=seconds] [SNAPSHOT=file.png]
	$(NVR) demo $(if $(DURATION),--duration $(DURATION)) $(if $(SNAPSHOT),--snapshot $(SNAPSHOT))

demo-fleet: setup build ## Configure two boxes from a desk, then add a camera: make demo-fleet [DURATION=seconds] [SNAPSHOT=file.png]
	$(NVR) demo-fleet $(if $(DURATION),--duration $(DURATION)) $(if $(SNAPSHOT),--snapshot $(SNAPSHOT))

test: ## Everything that must pass before a change lands, with the minutes of each part
	@tools/test

test-long: ## The slow tests, which `make test` leaves out
	@tools/test long

bench: setup build ## Measure processor, wall, recording, and what lies between; prints ratios and their limits
	cargo bench --locked

cross: ## Build for aarch64 (into target/aarch64-unknown-linux-gnu) and check what the binary asks for
	@tools/setup system build cross
	@tools/cross build

boot-test: cross ## Boot a box in a virtual machine: set up by a stick, configured from a desk, crashes, power cut; pictures in ~/.cache/nvr/boot
	@tools/test boot

gpu-check: setup build ## Check nvr on this machine's NVIDIA GPU; without one, pack what a GPU machine needs: docs/gpu.md
	@tools/gpu-check/run

dist: ## Archives, Debian packages and bills of materials for amd64 and arm64 (into target/dist): docs/packages.md
	@tools/setup system build cross dist
	@tools/dist

lint: ## Formatting, clippy, shellcheck, licences and sources of dependencies
	@tools/test lint

docs: ## The library's documentation, warnings refused
	@tools/test docs

clean: ## Remove what was built; what set-up fetched stays
	cargo clean
