/* serve_modbus.c - a controller made of libmodbus: 64 of each kind of point, the inputs change. */
#include <modbus.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	modbus_t *ctx = modbus_new_tcp(argv[1], 502);
	modbus_mapping_t *map = modbus_mapping_new(64, 64, 64, 64);
	int listening = modbus_tcp_listen(ctx, 1);
	if (map == NULL || listening < 0)
		return 1;
	modbus_tcp_accept(ctx, &listening);
	for (int n = 0;; n++) {
		uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
		int length = modbus_receive(ctx, query);
		if (length < 0)
			break;
		map->tab_input_registers[n % 64] = (uint16_t)(400 + n % 17);
		map->tab_input_bits[n % 64] = (uint8_t)(n % 3 == 0);
		if (length > 0)
			modbus_reply(ctx, query, length, map);
	}
	modbus_mapping_free(map);
	modbus_close(ctx);
	modbus_free(ctx);
	close(listening);
	return 0;
}
