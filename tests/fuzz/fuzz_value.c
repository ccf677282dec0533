/* fuzz_value.c - messages of Modbus, S7 and DNP3 to a device whose every register is a point: what
 * is observed is finite and names a point, and nothing is read past its end. Input: protocol, then
 * pieces: direction, time and length (3 bytes), bytes of whole messages. */
#include "tests/unit/value_kit.h"

enum { REGISTERS = 24, BYTES = 40, INDEXES = 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct kit k;
static char points[65536];

static void add(const char *format, unsigned i, const char *more)
{
	static size_t len;
	if (len == 0)
		len = (size_t)snprintf(points, sizeof points,
			"limits: {point_requests: 16}\npoints:\n  10.9.0.10:\n");
	len += (size_t)snprintf(points + len, sizeof points - len, "    ");
	len += (size_t)snprintf(points + len, sizeof points - len, format, i, i);
	len += (size_t)snprintf(points + len, sizeof points - len, "%s}\n", more);
}

/* Points over each other in every table, with everything that can be asked of them. */
static void make_points(void)
{
	static const char *const more[] = {
		", type: float32, order: CDAB, kind: setpoint",
		", type: u64, order: DCBA, scale: 1e300", ", type: bcd32, low: 1, high: 5",
		", type: i8, order: BADC",
		", type: float64, max_rate: 1/s, stale: 1s, stuck: 1s, kind: output, deadband: 0.5"
	};
	for (unsigned i = 0; i < REGISTERS; i++) {
		add("h%u: {modbus: holding %u", i, more[i % 5]);
		add("i%u: {modbus: input %u", i, more[i % 5]);
		add("c%u: {modbus: coil %u", i, ", kind: output");
		add("hb%u: {modbus: holding %u.3", i, ", kind: setpoint");
	}
	for (unsigned i = 0; i < BYTES; i++) {
		add("d%u: {s7: DB1.DBB%u", i, more[i % 5]);
		add("m%u: {s7: MB%u", i, more[i % 5]);
		add("q%u: {s7: Q%u.3", i, ", kind: output");
	}
	for (unsigned i = 0; i < INDEXES; i++) {
		add("bi%u: {dnp3: binary_input %u", i, "");
		add("bo%u: {dnp3: binary_output %u", i, ", kind: output");
		add("co%u: {dnp3: counter %u", i, ", stuck: 1s");
		add("ai%u: {dnp3: analog_input %u", i, ", high: 9, scale: 1e300");
		add("ao%u: {dnp3: analog_output %u", i, ", kind: setpoint, max_rate: 1/s");
	}
	strcat(points, "interlocks:\n  - {name: x, when: {bi0: 1, ai1: {gt: 0}}, for: 1s}\n"
		       "  - {name: y, when: {h0: {neq: 0}, h1: {lt: 5}}}\n");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const protocols[] = { "modbus", "s7comm", "dnp3" };
	static struct config config;
	if (points[0] == '\0') {
		make_points();
		walk_demand(kit_read(&config, points));
	}
	if (size < 1)
		return 0;
	kit_start(&k, &config);
	kit_flow(&k, protocols[data[0] % 3], "10.9.0.10");
	struct reader in = rd_over(data + 1, size - 1);
	while (in.left > 3) {
		uint8_t head = rd_u8(&in);
		uint16_t len = rd_be16(&in);
		struct reader piece = rd_slice(&in, len < in.left ? len : in.left);
		kit_wait(&k, (head >> 1 & 15) * 0.25);
		if (head & 32)
			k.at.ts_ns -= INT64_C(3000000000);
		if (head & 64)
			watchers_finish(k.watchers, k.at);
		kit_bytes(&k, head & 1, piece.at, piece.left);
	}
	kit_stop(&k);
	return 0;
}
