# Bongsu. `make demo` shows it, `make check` tests it; both set up what they need.
B       ?= build
CC      ?= gcc
CSTD     = -std=c17 -D_GNU_SOURCE -I.
WARN     = -Wall -Wextra -Wconversion -Wshadow -Wpointer-arith -Wstrict-prototypes -Wmissing-prototypes \
           -Wwrite-strings -Wvla -Werror
OPT     ?= -O2 -g -fstack-protector-strong -fno-omit-frame-pointer
CFLAGS  ?=
LDFLAGS ?=
ALL      = $(CSTD) $(WARN) $(OPT) $(CFLAGS)

LIBS     = -lpcap -lyaml -lhiredis -ljansson -lpcre2-8 -lgnutls -lcap-ng -lseccomp -lm -lpthread
objs     = $(patsubst %.c,$B/%.o,$(wildcard $1/*.c))
LIBRARY  = $(call objs,dissectors) $(call objs,common) $(filter-out $B/sensor/main.o,$(call objs,sensor))
UNITS    = $(patsubst tests/unit/%.c,$B/unit/%,$(wildcard tests/unit/test_*.c))

all: $B/bongsu-sensor

$B/bongsu-sensor: $(LIBRARY) $B/sensor/main.o
	$(CC) $(ALL) $(LDFLAGS) -o $@ $^ $(LIBS)

$B/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ALL) -MMD -MP -c -o $@ $<

$B/unit/%: $B/tests/unit/%.o $(LIBRARY)
	@mkdir -p $(@D)
	$(CC) $(ALL) $(LDFLAGS) -o $@ $^ $(LIBS) -lcmocka

units: $(UNITS)
	@for t in $(UNITS); do echo "== $$t"; $$t || exit 1; done

clean:
	rm -rf $B

.PHONY: all units clean
.SECONDARY:
-include $(shell find $B -name '*.d' 2>/dev/null)
