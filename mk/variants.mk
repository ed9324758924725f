# SPDX-License-Identifier: GPL-2.0
#
# The same sources in other builds. Each has its own build directory.
#
## make asan|ubsan|tsan check-valgrind|clang|coverage
##                      the suite under sanitizers or valgrind; with clang; with coverage
SUB		= +$(Q)$(MAKE) --no-print-directory DEPS_READY=1

.PHONY: asan ubsan tsan clang coverage check-valgrind
asan:
	$(SUB) SAN=address,undefined O=$(O)-asan CFLAGS='-O1 -g' check-variant
ubsan:
	$(SUB) SAN=undefined O=$(O)-ubsan check-variant
tsan:
	$(SUB) SAN=thread O=$(O)-tsan CFLAGS='-O1 -g' check-variant

clang:
	$(SUB) CC='$(FUZZ_CC)' O=$(O)-clang all unit-tests

# The checks of the tree itself (floors, kbuild, fuzzing) are the same in every
# variant and are left to "make check".
.PHONY: check-variant
check-variant: all unit-tests race-tests torture-tests
	$(Q)BUILD=$(abspath $(O)) SAN='$(SAN)' $(PYTEST) tests \
		-m 'not tree and not network and not fuzz' $(PYTEST_ARGS)

check-valgrind: all unit-tests
	$(Q)BUILD=$(abspath $(O)) BCACHEFS_VALGRIND=1 $(PYTEST) tests \
		-m 'valgrind or unit' $(PYTEST_ARGS)

coverage:
	$(SUB) COVERAGE=1 O=$(O)-cov CFLAGS='-O0 -g' EXTRA=--coverage check-variant
	$(Q)lcov -q -c -d $(O)-cov -o $(O)-cov/all.info
	$(Q)lcov -q -e $(O)-cov/all.info '*/libbcachefs/*' '*/c_src/*' -o $(O)-cov/coverage.info
	$(Q)genhtml -q $(O)-cov/coverage.info -o $(O)-cov/html
	$(Q)lcov --summary $(O)-cov/coverage.info
