# SPDX-License-Identifier: GPL-2.0
#
# Compiling and linking. Sources are found by wildcard; a new file needs no
# change here. Everything that is built goes below $(O).
#
## make [all]           build $(O)/bcachefs
## make clean           remove $(O)
## variables            O=dir (default build), CC=, CFLAGS=, SAN=address,undefined|thread, V=1
comma		:= ,

SAN		?=
ifneq ($(SAN),)
O		?= build-$(subst $(comma),-,$(SAN))
endif
O		?= build

ifeq ($(origin CC),default)
CC		:= $(if $(shell command -v ccache),ccache )gcc
endif
AR		?= ar

ifeq ($(V),)
Q		:= @
say		= @printf '  %-7s %s\n' '$(1)' '$(2)';
else
Q		:=
say		=
endif

PKGS		:= blkid uuid libsodium libisal libxxhash liblz4 libzstd zlib libkeyutils \
		   libutf8proc jansson libarchive
PKG_CFLAGS	:= $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS	:= $(shell pkg-config --libs $(PKGS) 2>/dev/null)

# libaio, libscrypt and the flavours of liburcu have no (usable) .pc file
LDLIBS		:= -Wl,--as-needed $(PKG_LIBS) -laio -lscrypt \
		   -lurcu -lurcu-bp -lurcu-memb -lurcu-mb -lurcu-cds -lurcu-common -lpthread -lm

CFLAGS		?= -O2 -g
# clang counts headers that end in a flexible array as variable in size: the format is full of them
WARN		:= -Wall -Wextra -Wno-unused-parameter -Wno-sign-compare \
		   -Wno-gnu-variable-sized-type-not-at-end \
		   -Wno-missing-field-initializers -Werror
BASE		:= -std=gnu11 $(WARN) -D_GNU_SOURCE -D__KERNEL_SHIM__ -D_FILE_OFFSET_BITS=64 \
		   -fno-strict-aliasing -fno-omit-frame-pointer -pthread -MMD -MP
SANFLAGS	:= $(if $(SAN),-fsanitize=$(SAN) -fno-sanitize-recover=all)
EXTRA		?=

CORE_CPP	:= -I include -I libbcachefs
TOOL_CPP	:= $(CORE_CPP) -I c_src -I . $(PKG_CFLAGS)

# Unmodified kernel headers check stack frames at 2 KB; so does every build
# without instrumentation.
FRAME		:= $(if $(SAN)$(COVERAGE),,-Wframe-larger-than=2048)

CORE_SRC	:= $(wildcard libbcachefs/*.c libbcachefs/*/*.c)
SHIM_SRC	:= $(wildcard c_src/shim/*.c)
TOOL_SRC	:= $(filter-out c_src/bcachefs.c c_src/cmd_%,$(wildcard c_src/*.c))
CMD_SRC		:= $(wildcard c_src/bcachefs.c c_src/cmd_*.c)
UNIT_SRC	:= $(wildcard tests/unit/test_*.c)
UNITLIB_SRC	:= $(filter-out $(UNIT_SRC),$(wildcard tests/unit/*.c))
TORTURE_SRC	:= $(wildcard tests/torture/*.c)
FUZZ_SRC	:= $(wildcard tests/fuzz/fuzz_*.c)
FUZZLIB_SRC	:= $(filter-out $(FUZZ_SRC),$(wildcard tests/fuzz/*.c))

obj		= $(patsubst %.c,$(O)/%.o,$(1))

LIBS		:= $(O)/libtools.a $(O)/libbcachefs.a $(O)/libshim.a
LINK_LIBS	= -Wl,--start-group $(1) $(LIBS) -Wl,--end-group $(LDLIBS)

.PHONY: all clean unit-tests torture-tests
all: $(O)/bcachefs

$(O)/bcachefs: $(call obj,$(CMD_SRC)) $(LIBS)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SANFLAGS) $(EXTRA) $(LDFLAGS) -o $@ \
		$(filter %.o,$^) $(call LINK_LIBS)

$(O)/libbcachefs.a: $(call obj,$(CORE_SRC))
$(O)/libshim.a: $(call obj,$(SHIM_SRC))
$(O)/libtools.a: $(call obj,$(TOOL_SRC))
$(O)/libunit.a: $(call obj,$(UNITLIB_SRC))
$(O)/libfuzz.a: $(call obj,$(FUZZLIB_SRC))

# The list of members is part of the prerequisites, so that a removed source
# file leaves the archive too.
$(O)/lib%.a: $(O)/.members-lib%
	$(call say,AR,$@)rm -f $@; $(AR) rcs $@ $(filter %.o,$^)

members-libbcachefs	= $(CORE_SRC)
members-libshim		= $(SHIM_SRC)
members-libtools	= $(TOOL_SRC)
members-libunit		= $(UNITLIB_SRC)
members-libfuzz		= $(FUZZLIB_SRC)

$(O)/.members-%: FORCE
	@mkdir -p $(@D); echo '$(members-$*)' | cmp -s - $@ || echo '$(members-$*)' > $@

# Flags are remembered: other flags rebuild the objects.
FLAGS_NOW	:= $(CC) $(BASE) $(CFLAGS) $(SANFLAGS) $(EXTRA) $(PKG_CFLAGS) $(CPPFLAGS)
$(O)/.flags: FORCE
	@mkdir -p $(@D); echo '$(FLAGS_NOW)' | cmp -s - $@ || echo '$(FLAGS_NOW)' > $@
.PHONY: FORCE
FORCE:

COMPILE		= $(CC) $(BASE) $(CFLAGS) $(CPPFLAGS) $(SANFLAGS) $(EXTRA)

$(O)/libbcachefs/%.o: libbcachefs/%.c $(O)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) $(FRAME) $(CORE_CPP) -c -o $@ $<

$(O)/%.o: %.c $(O)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) $(TOOL_CPP) -c -o $@ $<

# A test may put a function of its own in the place of one of the core: the first
# definition, which is the test's, counts.
unit-tests: $(patsubst %.c,$(O)/%,$(UNIT_SRC))

$(patsubst %.c,$(O)/%,$(UNIT_SRC)): $(O)/tests/unit/%: $(O)/tests/unit/%.o $(O)/libunit.a $(LIBS)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SANFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $(filter %.o,$^) \
		-Wl,--allow-multiple-definition $(call LINK_LIBS,$(O)/libunit.a) -lcmocka

# They run commands in the same process.
$(O)/tests/unit/test_live_faults $(O)/tests/unit/test_live_commits: $(call obj,$(wildcard c_src/cmd_format*.c c_src/cmd_show_super.c))
$(O)/tests/unit/test_resize_crash: $(call obj,$(filter-out c_src/bcachefs.c,$(CMD_SRC)))

# What tests of tests/kernel run next to the tools.
unit-tests: $(O)/tests/kernel/start_fs
$(O)/tests/kernel/start_fs: $(O)/tests/kernel/start_fs.o $(LIBS)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SANFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $< $(call LINK_LIBS)

torture-tests: $(O)/tests/torture/live $(O)/bcachefs

$(O)/tests/torture/live: $(call obj,$(TORTURE_SRC)) $(O)/libunit.a $(LIBS)
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SANFLAGS) $(EXTRA) $(LDFLAGS) -o $@ \
		$(filter %.o,$^) $(call LINK_LIBS,$(O)/libunit.a) -lcmocka

clean:
	rm -rf $(O) $(O)-fuzz

.SECONDARY:
-include $(shell [ -d $(O) ] && find $(O) -name '*.d' 2>/dev/null)
