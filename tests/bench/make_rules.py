#!/usr/bin/env python3
"""Writes N rules such as a large site would have, as one YAML stream.

    tests/bench/make_rules.py 10000 > rules.yaml

The same N gives the same rules. They are about commands and about values out of bounds, device by device:
what one PDU can show. None of them holds for the ordinary polling that the benchmarks replay, and most
could not be told apart by the function code alone.
"""
import random
import sys
import uuid

HEAD = """title: {title}
id: {id}
status: test
logsource: {{product: bongsu, service: {service}}}
level: {level}
ics: {{sid: {sid}, verb: {verb}}}
detection:
  selection:
{selection}
  condition: {condition}
"""


def ip(r):
    return f"10.{r.randrange(4)}.{r.randrange(64)}.{r.randrange(1, 250)}"


def modbus_device_write(r):
    return ("modbus", "write", f"Write to {(a := ip(r))}",
            [f"dest_ip: {a}", "pdu.dir: req",
             "modbus.function_code: [write_single_coil, write_single_register, write_multiple_coils, "
             "write_multiple_registers]"], None)


def modbus_range_write(r):
    low = r.randrange(60000)
    return ("modbus", "write", f"Write between {low} and {low + 20}",
            [f"dest_ip: {ip(r)}", "modbus.function_code: [6, 16]", f"modbus.address|gte: {low}",
             f"modbus.address|lte: {low + r.randrange(1, 40)}"], None)


def modbus_value(r):
    register = r.randrange(65536)
    return ("modbus", "write", f"Register {register} set too high",
            ["modbus.function_code: [write_single_register, write_multiple_registers]", "pdu.dir: req",
             f"modbus.item.address: {register}", f"modbus.item.value|gt: {r.randrange(1000, 60000)}"], None)


def modbus_not_master(r):
    return ("modbus", "write", "Write by who is no master of the unit",
            [f"modbus.unit_id: {r.randrange(1, 248)}", f"dest_ip: {ip(r)}",
             "modbus.function_code|startswith: write_"], f"src_ip|cidr: {ip(r)}")


def modbus_read(r):
    return ("modbus", "read", "Register read that nobody reads",
            [f"modbus.unit_id: {r.randrange(1, 248)}", f"dest_ip: {ip(r)}", "modbus.function_code: [3, 4]",
             f"modbus.address: {r.randrange(65536)}"], None)


def modbus_exception(r):
    return ("modbus", "scan", "Exception of a unit",
            [f"src_ip: {ip(r)}", f"modbus.exception_code: [{r.randrange(1, 5)}, {r.randrange(5, 12)}]"], None)


def s7_download(r):
    return ("s7comm", "download", "Block downloaded",
            [f"dest_ip: {ip(r)}", "s7comm.function: request_download", f"s7comm.block_number: {r.randrange(1, 500)}"], None)


def s7_write(r):
    return ("s7comm", "write", "Data block written",
            ["s7comm.function: write_var", f"s7comm.item.db: {r.randrange(1, 2000)}",
             f"s7comm.item.byte|lt: {r.randrange(1, 400)}"], f"src_ip: {ip(r)}")


def dnp3_control(r):
    return ("dnp3", "write_output", "Control of a point",
            [f"dnp3.destination: {r.randrange(1, 65000)}", "dnp3.function: [operate, direct_operate]",
             f"dnp3.item.index: {r.randrange(200)}"], None)


def dnp3_value(r):
    return ("dnp3", "read", "Point out of its limits",
            [f"dnp3.source: {r.randrange(1, 65000)}", "dnp3.function: response",
             f"dnp3.item.index: {r.randrange(200)}", f"dnp3.item.value|gt: {r.randrange(1000, 100000)}"], None)


KINDS = [modbus_device_write, modbus_range_write, modbus_value, modbus_not_master, modbus_read, modbus_exception,
         s7_download, s7_write, dnp3_control, dnp3_value]


def main():
    if len(sys.argv) != 2 or not sys.argv[1].isdigit():
        sys.exit("usage: make_rules.py COUNT")
    r = random.Random(17)
    for i in range(int(sys.argv[1])):
        service, verb, title, lines, unless = KINDS[i % len(KINDS)](r)
        selection = "\n".join("    " + line for line in lines)
        if unless:
            selection += "\n  allowed:\n    " + unless
        print("---")
        print(HEAD.format(title=f"{title} ({i})", id=uuid.UUID(int=r.getrandbits(128), version=4), service=service,
                          level=r.choice(["low", "medium", "high"]), sid=500000000 + i, verb=verb,
                          selection=selection, condition="selection and not allowed" if unless else "selection"),
              end="")


if __name__ == "__main__":
    main()
