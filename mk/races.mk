# SPDX-License-Identifier: GPL-2.0
#
# Tests of threads forced into one interleaving (Documentation/format/22, 15).
# The core they are linked with can be held at named points, so it is compiled
# a second time.
#
## make race-tests      build the tests of forced interleavings
## make races           run all of them; "make check" leaves the slow ones out
RACE_SRC	:= $(wildcard tests/races/race_*.c)
RACELIB_SRC	:= $(filter-out $(RACE_SRC),$(wildcard tests/races/*.c))
RACE_DEFS	:= -DBCACHEFS_SYNC_POINTS -DCONFIG_BCACHEFS_TESTS
RACE_BIN	:= $(patsubst %.c,$(O)/%,$(RACE_SRC))
RACE_CORE	:= $(patsubst %.c,$(O)/races/%.o,$(CORE_SRC))

.PHONY: race-tests races
race-tests: $(RACE_BIN)

$(O)/races/libbcachefs/%.o: libbcachefs/%.c $(O)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) $(RACE_DEFS) $(CORE_CPP) -c -o $@ $<

$(O)/races/libbcachefs.a: $(RACE_CORE)
	$(call say,AR,$@)rm -f $@; $(AR) rcs $@ $^

$(O)/tests/races/%.o: tests/races/%.c $(O)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) $(RACE_DEFS) $(TOOL_CPP) -c -o $@ $<

$(RACE_BIN): $(O)/tests/races/%: $(O)/tests/races/%.o $(call obj,$(RACELIB_SRC)) \
		$(O)/races/libbcachefs.a $(O)/libshim.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SANFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) -lcmocka

# The torture with work during replay, and delays at the points.
SOAK_SRC	:= $(TORTURE_SRC) tests/unit/recount.c

$(O)/races/tests/%.o: tests/%.c $(O)/.flags
	@mkdir -p $(@D)
	$(call say,CC,$<)$(COMPILE) $(RACE_DEFS) $(TOOL_CPP) -c -o $@ $<

torture-tests: $(O)/tests/torture/soak
$(O)/tests/torture/soak: $(patsubst %.c,$(O)/races/%.o,$(SOAK_SRC)) $(O)/races/libbcachefs.a \
		$(O)/libshim.a
	$(call say,LD,$@)$(CC) $(CFLAGS) $(SANFLAGS) $(EXTRA) $(LDFLAGS) -o $@ $(filter %.o,$^) \
		-Wl,--start-group $(filter %.a,$^) -Wl,--end-group $(LDLIBS) -lcmocka

races: all race-tests
	$(Q)BUILD=$(abspath $(O)) SAN='$(SAN)' RACES_ALL=1 $(PYTEST) tests/test_races.py \
		$(PYTEST_ARGS)
