/* values_modbus.c - libmodbus writes numbers with its own macros, in the four orders of a float,
 * and reads them back; tests/cases/value/real.yaml says which. */
#include <modbus.h>
#include <stdio.h>
#include <unistd.h>

enum { REGISTERS = 16, MASKED = 20, COIL = 3 };

int main(int argc, char **argv)
{
	uint16_t r[REGISTERS] = { 0 }, back[REGISTERS];
	if (argc != 2)
		return 2;
	const int32_t whole = -123456789;
	const int64_t large = -1234567890123;
	modbus_t *ctx = modbus_new_tcp(argv[1], 502);
	modbus_set_slave(ctx, 1);
	if (modbus_connect(ctx) != 0)
		return 1;
	modbus_set_float_abcd(3.14159F, r);
	modbus_set_float_cdab(-0.001F, r + 2);
	modbus_set_float_badc(11.9F, r + 4);
	modbus_set_float_dcba(16777216.0F, r + 6);
	MODBUS_SET_INT32_TO_INT16(r, 8, whole);
	MODBUS_SET_INT64_TO_INT16(r, 10, large);
	r[14] = (uint16_t)-1234;
	r[15] = 0x1234;
	if (modbus_write_registers(ctx, 0, REGISTERS, r) < 0 ||
		modbus_read_registers(ctx, 0, REGISTERS, back) < 0 ||
		modbus_write_register(ctx, MASKED, 0x0012) < 0 ||
		modbus_mask_write_register(ctx, MASKED, 0x00f2, 0x0025) < 0 ||
		modbus_read_registers(ctx, MASKED, 1, back) < 0 ||
		modbus_write_bit(ctx, COIL, TRUE) < 0)
		return 1;
	uint8_t bits[8];
	r[0] = 99;
	if (modbus_read_bits(ctx, 0, 8, bits) < 0 ||
		modbus_write_and_read_registers(ctx, 30, 1, r, 30, 2, back) < 0)
		return 1;
	modbus_close(ctx);
	modbus_free(ctx);
	return 0;
}
