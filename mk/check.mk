# SPDX-License-Identifier: GPL-2.0
#
# Tests. "make check" is one pytest run, so that its summary is the last line. The files
# of tests are shared out among PYTEST_JOBS processes (one per core, at most four).
#
## make check           build and run every test (also: PYTEST_ARGS= PYTEST_JOBS=)
## make check-quick     without the slow tests and without the network
## make demo            a real image and a damaged copy of it: check, then copy the files out
## make fuzz            every fuzz target, FUZZ_SECONDS each (default 600)
## make fuzz-smoke      every fuzz target, about a minute in all
## make torture         random work, crashes and kills on live filesystems, TORTURE_SECONDS (600)
## make torture-crashes check after CRASHES (1000) losses of power and kills in a row; SEED=
## make torture-fsck    kill repairs of damaged filesystems, FSCK_KILLS times (200)
## make torture-damage  damage filesystems at random and repair them, DAMAGE_ROUNDS times (200)
## make model           the models of journal replay with big bounds, half an hour (tests/model)
## make model-full      the same with the largest bounds that fit 8 GB
## make kbuild-check    compile the core against the headers of a real kernel
## make format-check    compare the tree with .clang-format
## make bench           time and memory on a filesystem of 200,000 files, next to fio
PY		:= /usr/bin/python3
PYTEST_JOBS	?= $(shell n=$$(nproc); echo $$((n < 4 ? n : 4)))
PYTEST		:= $(PY) -B -m pytest -p no:cacheprovider -n $(PYTEST_JOBS) --dist loadfile
PYTEST_ARGS	?=
FUZZ_SECONDS	?= 600
TORTURE_SECONDS	?= 600
FSCK_KILLS	?= 200
CRASHES		?= 1000
DAMAGE_ROUNDS	?= 200

# Instrumented builds check the code, not the tree: no fuzzing, no kbuild.
CHECK_FUZZ	:= $(if $(SAN)$(COVERAGE)$(NO_FUZZ),,fuzz-targets)

.PHONY: check check-quick
check: all unit-tests race-tests torture-tests $(CHECK_FUZZ)
	+$(Q)BUILD=$(abspath $(O)) SAN='$(SAN)' $(PYTEST) tests $(PYTEST_ARGS)

check-quick: all unit-tests torture-tests
	+$(Q)BUILD=$(abspath $(O)) SAN='$(SAN)' $(PYTEST) tests \
		-m 'not slow and not network and not fuzz' $(PYTEST_ARGS)

.PHONY: demo
demo: all
	$(Q)BUILD=$(abspath $(O)) tests/tools/demo.sh

.PHONY: torture
torture: torture-tests
	$(Q)BUILD=$(abspath $(O)) tests/torture/run.sh $(TORTURE_SECONDS)

.PHONY: torture-crashes
torture-crashes: torture-tests
	$(Q)BUILD=$(abspath $(O)) tests/torture/run.sh crashes $(CRASHES)

.PHONY: torture-fsck
torture-fsck: all
	$(Q)BUILD=$(abspath $(O)) $(PY) tests/torture/kill_fsck.py --kills $(FSCK_KILLS)

.PHONY: torture-damage
torture-damage: all
	$(Q)BUILD=$(abspath $(O)) $(PY) tests/torture/random_damage.py --rounds $(DAMAGE_ROUNDS)

.PHONY: model model-full
model:
	$(Q)tests/model/run.sh big

model-full:
	$(Q)tests/model/run.sh full

.PHONY: kbuild-check
kbuild-check:
	$(Q)tests/tools/kbuild-check.sh -o $(abspath $(O))/kbuild

.PHONY: format-check
format-check:
	$(Q)tests/tools/format-check.sh

.PHONY: bench
bench: all
	$(Q)BUILD=$(abspath $(O)) $(PY) -B bench/bench.py

# Fuzz targets: clang with libFuzzer, in a build directory of their own.
FUZZ_CC		?= $(if $(shell command -v ccache),ccache )clang
FUZZ_SAN	:= address,undefined
OF		:= $(O)-fuzz
FUZZ_BIN	:= $(patsubst tests/fuzz/%.c,%,$(FUZZ_SRC))

.PHONY: fuzz-targets fuzz-binaries fuzz fuzz-smoke
fuzz-targets:
	+$(Q)$(MAKE) --no-print-directory O=$(OF) CC='$(FUZZ_CC)' SAN= \
		CFLAGS='-O1 -g -fsanitize=fuzzer-no-link,$(FUZZ_SAN) -fno-sanitize-recover=all' \
		COVERAGE=fuzz DEPS_READY=1 fuzz-binaries

fuzz-binaries: $(addprefix $(O)/,$(FUZZ_BIN))

ifneq ($(FUZZ_BIN),)
$(addprefix $(O)/,$(FUZZ_BIN)): $(O)/%: $(O)/tests/fuzz/%.o $(O)/libfuzz.a $(LIBS)
	$(call say,LD,$@)$(CC) $(CFLAGS) -fsanitize=fuzzer,$(FUZZ_SAN) -o $@ $< \
		$(call LINK_LIBS,$(O)/libfuzz.a)
endif

fuzz: fuzz-targets
	$(Q)tests/tools/fuzz-run.sh $(OF) $(FUZZ_SECONDS)

fuzz-smoke: fuzz-targets
	$(Q)tests/tools/fuzz-run.sh $(OF) smoke
