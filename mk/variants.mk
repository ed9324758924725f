# SPDX-License-Identifier: GPL-2.0
#
# The same sources in other builds. Each has its own build directory.
#
## make asan|ubsan check-valgrind|clang|coverage
##                      the suite under sanitizers or valgrind; with clang; with coverage
## make tsan            what has threads, under ThreadSanitizer: TSAN_TESTS (tests: everything)
SUB		= +$(Q)$(MAKE) --no-print-directory DEPS_READY=1

.PHONY: asan ubsan tsan clang coverage check-valgrind
asan:
	$(SUB) SAN=address,undefined O=$(O)-asan CFLAGS='-O1 -g' check-variant
ubsan:
	$(SUB) SAN=undefined O=$(O)-ubsan check-variant

# A run of the program is ten times slower here, and most of the suite asks what one
# thread does with many images. These are the tests that bring threads together:
# units, forced interleavings, torture, upgrades, and repairs of all kinds.
TSAN_TESTS	?= test_unit.py test_races.py test_torture.py test_upgrade.py \
		   test_fsck_damage.py cli/test_format.py cli/test_fsck_repair.py \
		   cli/test_restore.py
tsan:
	$(SUB) SAN=thread O=$(O)-tsan CFLAGS='-O1 -g' TESTS='$(if $(filter tests,\
		$(TSAN_TESTS)),tests,$(addprefix tests/,$(TSAN_TESTS)))' check-variant

clang:
	$(SUB) CC='$(FUZZ_CC)' O=$(O)-clang all unit-tests

# The checks of the tree itself (floors, kbuild, fuzzing) are the same in every
# variant and are left to "make check".
.PHONY: check-variant
TESTS		?= tests
check-variant: all unit-tests race-tests torture-tests
	$(Q)BUILD=$(abspath $(O)) SAN='$(SAN)' $(PYTEST) $(TESTS) \
		-m 'not tree and not network and not fuzz' $(PYTEST_ARGS)

check-valgrind: all unit-tests race-tests
	$(Q)BUILD=$(abspath $(O)) BCACHEFS_VALGRIND=1 $(PYTEST) tests \
		-m 'valgrind or unit' $(PYTEST_ARGS)

coverage:
	$(SUB) COVERAGE=1 O=$(O)-cov CFLAGS='-O0 -g' EXTRA=--coverage check-variant
	$(Q)lcov -q -c -d $(O)-cov -o $(O)-cov/all.info
	$(Q)lcov -q -e $(O)-cov/all.info '*/libbcachefs/*' '*/c_src/*' -o $(O)-cov/coverage.info
	$(Q)genhtml -q $(O)-cov/coverage.info -o $(O)-cov/html
	$(Q)lcov --summary $(O)-cov/coverage.info
