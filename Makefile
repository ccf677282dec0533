# Bongsu. `make demo` shows it, `make check` tests it; both set up what they need first.
#   all demo check soak soak-sensor chain-sim cases units fuzz bench lint format docs pcaps install clean

B       ?= build
CC       = gcc
VERSION  = 0.1.0
WARN     = -Wall -Wextra -Wconversion -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
           -Wwrite-strings -Wvla -Werror
HARDEN   = -fstack-protector-strong -fPIE
OPT     ?= -O3 -g -D_FORTIFY_SOURCE=2 -flto=auto
ASAN     = -O1 -g -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
ALL      = -std=c17 -D_GNU_SOURCE -I. $(WARN) $(HARDEN) $(OPT) $(CFLAGS)
DEFINES  = -DBONGSU_VERSION='"$(VERSION)"' -DBONGSU_RULES='"$(PREFIX)/share/bongsu/rules"' -DBONGSU_CHAIN_DATA='"$(PREFIX)/share/bongsu/chain"'
SAY      = $(if $V,,@echo "  $1 $@" &&)
LINK     = $(call SAY,LD) $(CC) $(ALL) -pie -Wl,-z,relro,-z,now,--as-needed $(LDFLAGS) -o $@

# A program gets of these, and of our own archives, what it uses.
LIBS     = $(shell pkg-config --libs libpcap yaml-0.1 hiredis jansson libpcre2-8 gnutls libcap-ng libseccomp libsodium) -lm -pthread
CHAIN    = $(shell pkg-config --libs libmicrohttpd libcurl sqlite3 libsodium libzstd zlib) $(LIBS)
objs     = $(patsubst %.c,$B/%.o,$(wildcard $1/*.c))
LIBRARY  = $B/sensor.a $B/dissectors.a $B/common.a
UNITS    = $(patsubst tests/unit/%.c,$B/unit/%,$(wildcard tests/unit/test_*.c))
HELPERS  = $(patsubst tests/%.c,$B/%,$(wildcard tests/bench/*.c tests/load/*.c tests/redis/*.c tests/live/*.c tests/eve/*.c tests/chain/*.c tests/sim/*.c))
FUZZERS  = $(patsubst tests/fuzz/%.c,$B/fuzz/%,$(wildcard tests/fuzz/fuzz_*.c))
PROGRAMS = $B/bongsu-sensor $B/bongsu-tail $B/bongsu-aggregator

all: $(PROGRAMS)
$B/bongsu-sensor: $B/sensor/main.o $(LIBRARY)
	$(LINK) $^ $(LIBS)
$B/bongsu-aggregator: $B/aggregator/main.o $B/aggregator.a $B/common.a
	$(LINK) $^ $(CHAIN)
$B/bongsu-tail: $(call objs,console) $B/common.a
	$(LINK) $^ $(LIBS)
$B/sensor.a: $(filter-out $B/sensor/main.o,$(call objs,sensor))
$B/aggregator.a: $(filter-out $B/aggregator/main.o,$(call objs,aggregator))
$B/dissectors.a: $(call objs,dissectors)
$B/common.a: $(call objs,common)
$B/console.a: $(call objs,console)
%.a:
	$(call SAY,AR) rm -f $@ && gcc-ar rcs $@ $^
$B/%.o: %.c
	@mkdir -p $(@D)
	$(call SAY,CC) $(CC) $(ALL) $(DEFINES) -MMD -MP -c -o $@ $<
$(UNITS): $B/unit/%: $B/tests/unit/%.o $B/console.a $B/aggregator.a $(LIBRARY)
	@mkdir -p $(@D)
	$(LINK) $^ $(CHAIN) -lcmocka
$(HELPERS): $B/%: $B/tests/%.o $B/aggregator.a $(LIBRARY)
	@mkdir -p $(@D)
	$(LINK) $^ $(CHAIN)
$B/load/polls: $(call objs,tests/load/polls)
$(FUZZERS): $B/fuzz/%: $B/tests/fuzz/%.o $B/aggregator.a $(LIBRARY)
	@mkdir -p $(@D)
	$(LINK) -fsanitize=fuzzer $^ $(CHAIN)
units: $(UNITS)
helpers: $(HELPERS)
fuzzers: $(FUZZERS)

# The builds that tests use: plain; gcc with sanitizers and points to die at; clang with sanitizers and libFuzzer; the
# aggregator, which has threads, with the sanitizer for those.
builds: all helpers
	+$(MAKE) B=$B/asan CC=gcc OPT='$(ASAN) -DBONGSU_FAULTS' all units helpers
	+$(MAKE) B=$B/clang CC=clang OPT='$(ASAN) -fsanitize=fuzzer-no-link' units fuzzers
	+$(MAKE) B=$B/tsan CC=gcc OPT='-O1 -g -fno-omit-frame-pointer -fsanitize=thread' $B/tsan/bongsu-aggregator

NEEDS_demo  = all
NEEDS_lint  = all
NEEDS_bench = all helpers
demo check soak fuzz bench lint cases:
	packaging/setup.sh $@
	+$(MAKE) --no-print-directory -j2 $(or $(NEEDS_$@),builds)
	tests/run --build $B $@
# The chain under a virtual clock: 30 days of 1,000 enterprises with faults, then the nation's 100,000 for hours.
chain-sim:
	packaging/setup.sh cases
	+$(MAKE) --no-print-directory -j2 $B/sim/sim
	$B/sim/sim --days 30 --drain 24 --enterprises 1000 --provinces 4 --faults 20 --window 3600 --rate 96 $(SIM)
	$B/sim/sim --hours 3 --drain 3 --enterprises 100000 --provinces 31 --faults 1 --window 3600 --asleep 1 $(SIM)
# A hundred million packets through one sensor that follows everything: its memory stays flat.
soak-sensor:
	packaging/setup.sh cases
	+$(MAKE) --no-print-directory -j2 $B/bongsu-sensor $B/load/loop
	BUILD=$(abspath $B) LOAD_PACKETS=100000000 tests/load/run.py soak
format:
	clang-format -i $$(git ls-files '*.c' '*.h')
pcaps:
	pcaps/talk.py --all
docs: all
	tests/docs/generate.py $B
clean:
	rm -rf $B

PREFIX        ?= /usr/local
SYSCONFDIR    ?= /etc
LOCALSTATEDIR ?= /var
UNITDIR       ?= $(PREFIX)/lib/systemd/system
SHARE          = $(DESTDIR)$(PREFIX)/share
PUT            = install -D -m 644
install: all
	install -D -m 755 $B/bongsu-sensor $(DESTDIR)$(PREFIX)/sbin/bongsu-sensor
	install -D -m 755 $B/bongsu-aggregator $(DESTDIR)$(PREFIX)/sbin/bongsu-aggregator
	install -D -m 755 $B/bongsu-tail $(DESTDIR)$(PREFIX)/bin/bongsu-tail
	for f in aggregator/data/*; do $(PUT) $$f $(SHARE)/bongsu/chain/$${f##*/}; done
	$(PUT) aggregator/chain.md $(SHARE)/doc/bongsu/chain.md
	$(PUT) aggregator/openapi.yaml $(SHARE)/doc/bongsu/openapi.yaml
	cd rules && find . -type f -exec $(PUT) {} $(abspath $(SHARE))/bongsu/rules/{} \;
	for m in 8/bongsu-sensor.8 8/bongsu-aggregator.8 1/bongsu-tail.1; do $(PUT) packaging/$${m#*/} $(SHARE)/man/man$$m; done
	for p in bongsu-sensor bongsu-aggregator bongsu-tail; do \
		$(PUT) packaging/completion $(SHARE)/bash-completion/completions/$$p; done
	$(PUT) packaging/logrotate $(DESTDIR)$(SYSCONFDIR)/logrotate.d/bongsu
	for p in sensor aggregator; do \
		test -e $(DESTDIR)$(SYSCONFDIR)/bongsu/$$p.yaml || \
			$(PUT) packaging/$$p.yaml $(DESTDIR)$(SYSCONFDIR)/bongsu/$$p.yaml; \
		sed 's|@SBIN@|$(PREFIX)/sbin|' packaging/bongsu-$$p.service | \
			$(PUT) /dev/stdin $(DESTDIR)$(UNITDIR)/bongsu-$$p.service; done
	$(PUT) packaging/sysusers.conf $(DESTDIR)$(PREFIX)/lib/sysusers.d/bongsu.conf
	test -n "$(DESTDIR)" || ! command -v systemd-sysusers >/dev/null || systemd-sysusers $(PREFIX)/lib/sysusers.d/bongsu.conf
	install -d -m 755 $(DESTDIR)$(LOCALSTATEDIR)/lib/bongsu $(DESTDIR)$(LOCALSTATEDIR)/log/bongsu

.PHONY: all units helpers fuzzers builds demo check soak soak-sensor chain-sim fuzz bench lint cases format pcaps docs clean install
.SECONDARY:
-include $(shell find $B/ -name '*.d' 2>/dev/null)
