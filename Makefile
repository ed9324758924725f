# SPDX-License-Identifier: GPL-2.0
#
# bcachefs userspace tools.
#
#   make demo       install what is needed, build, show it on a real image
#   make check      install what is needed, build, run every test
#   make help       the other targets and the variables
#
# The build itself is in mk/build.mk, the tests in mk/check.mk, sanitizer and
# compiler variants in mk/variants.mk. On a machine that lacks a build
# dependency the targets in FRONT install it first and then start make again,
# so that nothing below has to cope with a missing compiler.

SHELL		:= /bin/bash
.DEFAULT_GOAL	:= all

FRONT		:= all demo check check-quick bench fuzz fuzz-smoke model model-full kbuild-check \
		   check-valgrind coverage clang asan ubsan tsan unit-tests race-tests races \
		   torture torture-fsck torture-damage torture-crashes torture-tests fuzz-targets \
		   format-check

# DEPS_READY=1 skips the look at installed packages (package builds set it).
DEPS_READY	?=
ifneq ($(filter-out $(FRONT),$(or $(MAKECMDGOALS),all)),)
DEPS_READY	:= 1
endif

.PHONY: help
help:
	@sed -n 's/^#\( *\)make /\1make /p' Makefile
	@sed -n 's/^## //p' mk/*.mk

include mk/deps.mk

ifeq ($(DEPS_READY),)

.NOTPARALLEL:
.PHONY: $(FRONT)
$(or $(MAKECMDGOALS),all): need-deps
	+@$(MAKE) --no-print-directory DEPS_READY=1 $@

else

include mk/build.mk
include mk/check.mk
include mk/races.mk
include mk/variants.mk
include mk/install.mk

endif
