/* poll_modbus.c - an HMI made of libmodbus: reads all four kinds of points, twenty times. */
#include <modbus.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	modbus_t *ctx = modbus_new_tcp(argv[1], 502);
	modbus_set_slave(ctx, 1);
	if (modbus_connect(ctx) != 0)
		return 1;
	for (int n = 0; n < 20; n++) {
		uint8_t bits[64];
		uint16_t words[64];
		if (modbus_read_bits(ctx, 0, 24, bits) < 0 ||
			modbus_read_input_bits(ctx, 8, 16, bits) < 0 ||
			modbus_read_registers(ctx, 0, 32, words) < 0 ||
			modbus_read_input_registers(ctx, 0, 48, words) < 0)
			return 1;
		if (n == 7)
			modbus_read_registers(ctx, 60, 16,
				words); /* past the end: an exception now and then is ordinary */
		usleep(50000);
	}
	modbus_close(ctx);
	modbus_free(ctx);
	return 0;
}
