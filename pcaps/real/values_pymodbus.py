#!/usr/bin/python3
"""pymodbus writes numbers of every width in every order by its own payload builder, and reads them back;
tests/cases/value/real.yaml says which."""
import sys

from pymodbus.client import ModbusTcpClient
from pymodbus.constants import Endian
from pymodbus.payload import BinaryPayloadBuilder

ORDERS = [(Endian.Big, Endian.Big), (Endian.Big, Endian.Little), (Endian.Little, Endian.Big), (Endian.Little, Endian.Little)]

client = ModbusTcpClient(sys.argv[1])
client.connect()
for n, (byte, word) in enumerate(ORDERS):
    b = BinaryPayloadBuilder(byteorder=byte, wordorder=word)
    b.add_32bit_float(-40.25)
    b.add_64bit_float(123456.789012)
    b.add_32bit_int(-70000)
    b.add_32bit_uint(4000000000)
    b.add_64bit_int(-5000000000)
    b.add_64bit_uint(9007199254740992)
    registers = b.to_registers()
    client.write_registers(n * 18, registers, slave=1)
    client.read_holding_registers(n * 18, len(registers), slave=1)
client.close()
