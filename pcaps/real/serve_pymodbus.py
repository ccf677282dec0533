#!/usr/bin/python3
"""A controller made of pymodbus: holding and input registers, coils."""
import sys

from pymodbus.datastore import ModbusSequentialDataBlock, ModbusServerContext, ModbusSlaveContext
from pymodbus.server import StartTcpServer

block = lambda value: ModbusSequentialDataBlock(0, [value] * 128)
store = ModbusSlaveContext(di=block(1), co=block(0), hr=block(700), ir=block(21))
StartTcpServer(context=ModbusServerContext(slaves=store, single=True), address=(sys.argv[1], 502))
