# dbfed: PostgreSQL, MySQL/MariaDB and other SQLite files as local tables.
#
#   make              ./dbfed.so and ./dbfed     make test    the whole suite
#   make demo         a guided tour              make check   all a change needs
#   make diff         random queries             make mutate  are they sharp?
#
# Knobs: DRIVERS="pg mysql sqlite"  CC=clang  DEV=1 (warnings are errors)  V=1
#        TESTS='scan*' (files to run)  SAN=address,undefined  FUZZ_SECONDS=30
#        PREFIX=/usr  DESTDIR=  BUILD=build  PRODUCT=dbfed.so  MYSQL_PC=...
#        BENCH='scan tpch' SIZE=full (bench/run.sh has more)
#
# One set of sources is compiled into several variants, each in its own folder
# of $(BUILD): see "Variants". A folder's .flags file holds the command line
# its objects were made with, so that a changed knob recompiles them.

VERSION := $(shell cat VERSION)
BUILD   ?= build
PRODUCT ?= $(if $(filter build,$(BUILD)),,$(BUILD)/)dbfed.so
COMMAND := $(patsubst %.so,%,$(PRODUCT))
CC      := $(if $(filter default,$(origin CC)),gcc,$(CC))
JOBS    ?= $(shell nproc 2>/dev/null || echo 2)
PREFIX  ?= /usr
DESTDIR ?=
TESTS   ?=
DEMO    ?=
SAN     ?= address,undefined
FUZZ_SECONDS ?= 30

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-8s%s\n' $(1) $(2))
# A sub-make that uses every core unless the caller has set -j.
sub = +@$(MAKE) --no-print-directory \
      $(if $(findstring jobserver,$(MAKEFLAGS)),,-j$(JOBS))

# Drivers: name -> its client library's pkg-config module (none for sqlite).
# drv/NAME.c and drv/NAME_*.c are compiled only if NAME is in DRIVERS.
MYSQL_PC  ?= libmariadb
PC_pg     := libpq
PC_mysql  := $(MYSQL_PC)
PC_sqlite :=
ALL_DRIVERS := pg mysql sqlite
comma := ,
override DRIVERS := $(subst $(comma), ,$(or $(DRIVERS),$(ALL_DRIVERS)))
LEFT_OUT := $(filter-out $(DRIVERS),$(ALL_DRIVERS))
ifneq ($(filter-out $(ALL_DRIVERS),$(DRIVERS)),)
$(error unknown driver in DRIVERS: choose from $(ALL_DRIVERS))
endif
export DRIVERS

# Sources
DIRS     := base drv pool tx vtab migrate cache entity ext
SRCS     := sqlite-fed.c $(sort $(wildcard $(DIRS:%=%/*.c)))
SRCS     := $(filter-out $(foreach d,$(LEFT_OUT),drv/$d.c drv/$d_%.c),$(SRCS))
TESTONLY := drv/fault.c
CLI      := $(sort $(wildcard cli/*.c))
UNITS    := $(sort $(wildcard test/unit/*.c))
BENCHES  := $(filter-out $(LEFT_OUT:%=bench/%.c),$(sort $(wildcard bench/*.c)))
FUZZERS  := $(filter-out $(LEFT_OUT:%=test/fuzz/%_%.c),$(sort $(wildcard \
              test/fuzz/*.c)))
STYLED   := $(sort $(wildcard *.[ch] $(foreach d,$(DIRS) cli gen bench \
              tool test/unit test/fuzz test/crash,$d/*.[ch])))

# Libraries. Their headers are system headers: our warnings are not for them.
PCS     := sqlite3 inih nettle $(foreach d,$(DRIVERS),$(PC_$d))
PKG     := pkg-config
PC_CFLAGS := $(patsubst -I%,-isystem %,$(shell $(PKG) --cflags $(PCS) 2>&-))
PC_LIBS   := $(shell $(PKG) --libs $(filter-out sqlite3,$(PCS)) 2>&-)
MISSING := $(foreach c,$(firstword $(CC)) $(PKG),$(if \
             $(shell command -v $c),,$c)) $(if $(shell command -v $(PKG)),\
             $(foreach p,$(PCS),$(if \
             $(shell $(PKG) --exists $p && echo y),,$p)))

WARN := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion \
  -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
  -Wpointer-arith -Wcast-qual -Wwrite-strings -Wundef -Wvla -Wformat=2 \
  -Wnull-dereference -Wimplicit-fallthrough -Wswitch-enum $(if $(DEV),-Werror)
upper = $(shell echo $(1) | tr a-z A-Z)
CPPFLAGS += -I. -D_GNU_SOURCE -DFED_VERSION='"$(VERSION)"' \
  $(foreach d,$(DRIVERS),-DFED_WITH_$(call upper,$d)) $(PC_CFLAGS)
CFLAGS ?= -O2 -g
ALL_CFLAGS := -std=c11 -fPIC -pthread -fvisibility=hidden $(WARN) \
  -ffile-prefix-map=$(CURDIR)=. $(CPPFLAGS) $(CFLAGS)
LIBS     := $(PC_LIBS) -lm
SOFLAGS  := -shared -pthread -Wl,--exclude-libs,ALL -Wl,-z,relro,-z,now
# A call to SQLite that misses the extension's API table fails at link time.
NOUNDEF  := -Wl,-z,defs

.PHONY: all libs objs units benches run-tests demo test test-newer diff mutate \
  check asan ubsan tsan valgrind cov fuzz bench fmt fmt-check lint docs deps \
  install uninstall dist clean FORCE
.DELETE_ON_ERROR:
.SECONDARY:

all: $(PRODUCT) $(COMMAND)

# ------------------------------------------------------------- Variants
# $(call variant,NAME,FLAGS,COMPILER): the rules for $(BUILD)/NAME/*.o
define variant
$(BUILD)/$(1)/%.o: %.c $(BUILD)/$(1)/.flags | libs
	$$(call say,$$(notdir $(3)),$$@)
	@mkdir -p $$(@D)
	$$(Q)$(3) $$(ALL_CFLAGS) $(2) -MMD -MP -c -o $$@ $$<
$(BUILD)/$(1)/.flags: FORCE
	@mkdir -p $$(@D)
	@echo '$(subst ','\'',$(3) $(ALL_CFLAGS) $(2))' | cmp -s - $$@ || \
	  echo '$(subst ','\'',$(3) $(ALL_CFLAGS) $(2))' > $$@
endef
objects = $(patsubst %.c,$(BUILD)/$(1)/%.o,$(2))

# The .so of users, which must not abort its host by an assert; the same with
# fault injection; instrumented ones.
SAN_FLAGS := -fsanitize=$(SAN) -fno-sanitize-recover=all \
             -fno-omit-frame-pointer -O1 -DFED_TEST
TSAN      := -fsanitize=thread -O1 -DFED_TEST -DSQLITE_CORE
FUZZ_SAN  := -fsanitize=address -O1 -DFED_TEST -DSQLITE_CORE
$(eval $(call variant,release,-DNDEBUG,$(CC)))
$(eval $(call variant,test,-O1 -DFED_TEST,$(CC)))
$(eval $(call variant,asan,$(SAN_FLAGS),$(CC)))
$(eval $(call variant,cov,-O0 --coverage -DFED_TEST,$(CC)))
# Linked into C programs: SQLITE_CORE makes them call sqlite3_* directly.
$(eval $(call variant,core,-DFED_TEST -DSQLITE_CORE,$(CC)))
$(eval $(call variant,asan-core,$(SAN_FLAGS) -DSQLITE_CORE,$(CC)))
$(eval $(call variant,tsan-core,$(TSAN),$(CC)))
$(eval $(call variant,fuzz,$(FUZZ_SAN) -fsanitize=fuzzer-no-link,clang))

libs:
	$(if $(strip $(MISSING)),@echo 'make: missing: $(strip $(MISSING))' >&2; \
	  sh tool/deps.sh -n build >&2; echo 'or run make deps (or choose DRIVERS)' \
	  >&2; exit 1,@:)

RELEASE_SRCS := $(filter-out $(TESTONLY),$(SRCS))
$(PRODUCT): $(call objects,release,$(RELEASE_SRCS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(SOFLAGS) $(NOUNDEF) $(LDFLAGS) -o $@ $^ $(LIBS)
$(BUILD)/test/dbfed.so: $(call objects,test,$(SRCS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(SOFLAGS) $(NOUNDEF) -o $@ $^ $(LIBS)
$(BUILD)/asan/dbfed.so: $(call objects,asan,$(SRCS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(SOFLAGS) $(SAN_FLAGS) -o $@ $^ $(LIBS)
$(BUILD)/cov/dbfed.so: $(call objects,cov,$(SRCS))
	$(call say,LINK,$@)
	$(Q)$(CC) $(SOFLAGS) --coverage -o $@ $^ $(LIBS)
# The command: the same objects, linked into a program beside the library.
$(COMMAND): $(call objects,release,$(RELEASE_SRCS) $(CLI))
	$(call say,LINK,$@)
	$(Q)$(CC) -pthread $(LDFLAGS) -o $@ $^ $(LIBS) -lsqlite3
$(BUILD)/test/dbfed: $(call objects,test,$(SRCS) $(CLI))
	$(call say,LINK,$@)
	$(Q)$(CC) -pthread -o $@ $^ $(LIBS) -lsqlite3
$(BUILD)/asan/dbfed: $(call objects,asan,$(SRCS) $(CLI))
	$(call say,LINK,$@)
	$(Q)$(CC) -pthread $(SAN_FLAGS) -o $@ $^ $(LIBS) -lsqlite3
$(BUILD)/cov/dbfed: $(call objects,cov,$(SRCS) $(CLI))
	$(call say,LINK,$@)
	$(Q)$(CC) -pthread --coverage -o $@ $^ $(LIBS) -lsqlite3
$(BUILD)/%/libdbfed.a:
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcsD $@ $^
define archive
$(BUILD)/$(1)/libdbfed.a: $(call objects,$(1),$(SRCS))
endef
$(foreach v,core asan-core tsan-core fuzz,$(eval $(call archive,$v)))

# C programs: test/unit/foo.c -> $(BUILD)/core/foo
define program
$(BUILD)/$(1)/$(2): $(BUILD)/$(1)/$(3).o $(BUILD)/$(1)/libdbfed.a
	$$(call say,LINK,$$@)
	@mkdir -p $$(@D)
	$$(Q)$(5) -pthread $(4) -o $$@ $$^ $$(LIBS) -lsqlite3
endef
unit_name = $(notdir $(1:.c=))
unit = $(foreach u,$(UNITS),$(eval $(call program,$(1),$(call \
         unit_name,$u),$(u:.c=),$(2),$(CC))))
$(call unit,core,)
$(call unit,asan-core,$(SAN_FLAGS))
$(call unit,tsan-core,$(TSAN))
$(foreach f,$(FUZZERS),$(eval $(call program,fuzz,$(call \
  unit_name,$f),$(f:.c=),-fsanitize=fuzzer$(comma)address,clang)))

programs = $(foreach u,$(2),$(BUILD)/$(1)/$(call unit_name,$u))
units: $(call programs,core,$(UNITS))
benches: $(BUILD)/bench/bench
# Prints a part of docs/pushdown.md.
DECISIONS := $(BUILD)/core/decisions
$(eval $(call program,core,decisions,tool/decisions,,$(CC)))
# The benchmark loads the extension as users do.
$(BUILD)/bench/bench: $(call objects,release,$(BENCHES))
	$(call say,LINK,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -o $@ $^ $(LIBS) -lsqlite3
# Everything that compiles without clang's run-time: what lint builds twice.
objs: $(call objects,release,$(RELEASE_SRCS) $(CLI)) units benches $(DECISIONS)

# ---------------------------------------------------------------- Tests
# test, demo and bench bring what a bare machine lacks, then start again, for
# this run of make has already looked for the libraries.
RUN = FED_TEST_DRIVERS="$(DRIVERS)" tclsh test/run.tcl -j $(JOBS)
SAN_LIBS = $(foreach l,$(patsubst undefined,ubsan,$(patsubst \
             address,asan,$(subst $(comma), ,$(SAN)))),$(shell \
             $(CC) -print-file-name=lib$l.so))

test:
	@sh tool/deps.sh build test
	$(sub) run-tests
run-tests: $(BUILD)/test/dbfed.so $(BUILD)/test/dbfed units $(DECISIONS)
	$(Q)$(RUN) --ext $(BUILD)/test/dbfed.so --unit $(BUILD)/core $(TESTS)

# The same over a newer SQLite; skipped where it cannot be fetched.
test-newer: $(BUILD)/test/dbfed.so $(BUILD)/test/dbfed units
	$(Q)sh tool/newer.sh $(BUILD)/newer || { test $$? = 77 && \
	  echo '0 passed, 0 failed, 1 skipped' && exit; } && \
	$(RUN) --ext $(BUILD)/test/dbfed.so --unit $(BUILD)/core \
	  --wrap 'env LD_LIBRARY_PATH=$(abspath $(BUILD)/newer)' $(TESTS)

# Random queries, as many as DIFF_QUERIES says; then whether they notice a
# decision table that is wrong. See test/diff/diff.tcl.
diff: $(BUILD)/test/dbfed.so
	$(Q)$(RUN) --show --limit 86400 --ext $(BUILD)/test/dbfed.so 'diff_*'
mutate: $(BUILD)/test/dbfed.so
	$(Q)DIFF_MUTATE=1 $(RUN) --show --limit 3600 --ext $(BUILD)/test/dbfed.so 'diff_*'

# Writes what is generated, then runs every example.
docs: $(BUILD)/test/dbfed.so $(BUILD)/test/dbfed $(DECISIONS)
	$(Q)sh tool/between.sh docs/pushdown.md decisions $(DECISIONS)
	$(Q)$(RUN) --ext $(BUILD)/test/dbfed.so docs.test

demo:
	@sh tool/deps.sh $(if $(filter all,$(DEMO)),test,demo)
	$(sub) all
	$(Q)EXT='$(PRODUCT)' sh tool/demo.sh $(DEMO)

bench:
	@sh tool/deps.sh bench
	$(sub) all benches
	$(Q)BIN='$(BUILD)/bench' EXT='$(PRODUCT)' COMMAND='$(COMMAND)' sh bench/run.sh

check:
	$(sub) fmt-check
	$(sub) lint
	$(sub) test
	$(sub) asan

# A leak's trace ends inside SQLite (no frame pointers there): to see the whole,
# run again with ASAN_OPTIONS=fast_unwind_on_malloc=0, which is slow.
asan: $(BUILD)/asan/dbfed.so $(BUILD)/asan/dbfed $(call programs,asan-core,$(UNITS))
	$(Q)DIFF_QUERIES=500 \
	ASAN_OPTIONS=detect_leaks=1:abort_on_error=0:$(ASAN_OPTIONS) \
	UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
	LSAN_OPTIONS=suppressions=$(CURDIR)/test/lsan.supp:print_suppressions=0 \
	$(RUN) --ext $(BUILD)/asan/dbfed.so --unit $(BUILD)/asan-core \
	  --wrap 'env LD_PRELOAD=$(subst $() ,:,$(strip $(SAN_LIBS)))' $(TESTS)
ubsan:
	$(sub) asan SAN=undefined

STRESS := $(filter test/unit/%stress.c test/unit/stress%,$(UNITS))
tsan: $(call programs,tsan-core,$(STRESS))
	$(Q)$(if $(STRESS),TSAN_OPTIONS=halt_on_error=1:second_deadlock_stack=1 \
	$(RUN) --unit $(BUILD)/tsan-core $(notdir $(STRESS)),echo 'no stress test')

VALGRIND := valgrind -q --leak-check=full --error-exitcode=99 \
  --errors-for-leak-kinds=definite --show-leak-kinds=definite \
  --suppressions=$(CURDIR)/test/valgrind.supp
valgrind: $(BUILD)/test/dbfed.so $(BUILD)/test/dbfed units
	$(Q)FED_TEST_VALGRIND=1 FED_TEST_QUERIES=0 DIFF_QUERIES=0 \
	$(RUN) --ext $(BUILD)/test/dbfed.so --unit $(BUILD)/core \
	  --limit 1800 --wrap '$(VALGRIND)' $(TESTS)

cov: $(BUILD)/cov/dbfed.so $(BUILD)/cov/dbfed
	$(Q)find $(BUILD)/cov -name '*.gcda' -delete
	$(Q)$(RUN) --ext $(BUILD)/cov/dbfed.so $(or $(TESTS),*.test)
	$(Q)gcovr -r . -s --object-directory $(BUILD)/cov $(BUILD)/cov

# New inputs go to $(BUILD); those worth keeping are moved to the corpus.
fuzz: $(call programs,fuzz,$(FUZZERS))
	$(Q)for p in $(^F); do echo "fuzz: $$p"; \
	  seeds=test/fuzz/corpus/$$p; new=$(BUILD)/fuzz/corpus/$$p; \
	  mkdir -p $$new; test -d $$seeds || seeds=; \
	  $(BUILD)/fuzz/$$p -max_total_time=$(FUZZ_SECONDS) -verbosity=0 \
	    -print_final_stats=0 -artifact_prefix=$(BUILD)/fuzz/ $$new $$seeds \
	    || exit 1; done

# ----------------------------------------------------------------- Lint
fmt:
	$(Q)clang-format -i $(STYLED)
fmt-check:
	$(Q)$(if $(STYLED),clang-format --dry-run --Werror $(STYLED))
lint:
	$(Q)BUILD='$(BUILD)' PRODUCT='$(PRODUCT)' SRCS='$(SRCS) $(CLI)' \
	  HEADERS='$(filter %.h,$(STYLED))' JOBS='$(JOBS)' MAKE='$(MAKE)' \
	  FLAGS='$(subst ','\'',-std=c11 $(CPPFLAGS) -DFED_TEST)' sh tool/lint.sh

deps:
	@sh tool/deps.sh all

# -------------------------------------------------------------- Install
# Where the dynamic linker looks by itself, so that `.load dbfed` finds it
# from any folder; /usr/local/lib is not among the places SQLite's dlopen sees
# before ldconfig has run.
TRIPLET := $(shell gcc -print-multiarch 2>&-)
LIBDIR ?= $(firstword $(wildcard $(addprefix $(PREFIX)/lib/,$(TRIPLET))) \
            $(PREFIX)/lib)
MANDIR ?= $(PREFIX)/share/man
install: $(PRODUCT) $(COMMAND)
	$(Q)install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include \
	  $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(MANDIR)/man1
	$(Q)install -m 755 $(COMMAND) $(DESTDIR)$(PREFIX)/bin/dbfed
	$(Q)install -m 644 docs/dbfed.1 $(DESTDIR)$(MANDIR)/man1/dbfed.1
	$(Q)install -m 644 $(PRODUCT) $(DESTDIR)$(LIBDIR)/dbfed.so
	$(Q)install -m 644 ext/dbfed.h $(DESTDIR)$(PREFIX)/include/dbfed.h
	$(Q)sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|' \
	  -e 's|@VERSION@|$(VERSION)|' tool/dbfed.pc.in \
	  > $(DESTDIR)$(LIBDIR)/pkgconfig/dbfed.pc
	$(if $(filter-out /usr,$(PREFIX)),@echo 'note: load it by its full path:' \
	  '.load $(LIBDIR)/dbfed (or add $(LIBDIR) to LD_LIBRARY_PATH)')
uninstall:
	$(Q)rm -f $(DESTDIR)$(LIBDIR)/dbfed.so $(DESTDIR)$(PREFIX)/include/dbfed.h \
	  $(DESTDIR)$(LIBDIR)/pkgconfig/dbfed.pc $(DESTDIR)$(PREFIX)/bin/dbfed \
	  $(DESTDIR)$(MANDIR)/man1/dbfed.1

# The same commit gives the same bytes: no time stamp, no user names.
dist:
	$(Q)git archive --prefix=dbfed-$(VERSION)/ HEAD | gzip -9n \
	  > dbfed-$(VERSION).tar.gz
clean:
	$(Q)rm -rf $(BUILD) $(PRODUCT) $(COMMAND) dbfed-*.tar.gz

FORCE:
-include $(shell find $(BUILD) -name '*.d' 2>&-)
