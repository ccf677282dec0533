#!/usr/bin/python3
"""call.py SERVER - asks the service manager of SERVER for a service that starts a program, with impacket (record.sh). Samba says
no, as does Windows to most: what counts is that it is asked."""
import sys

from impacket.dcerpc.v5 import rpcrt, scmr, transport
from impacket.smb3structs import SMB2_DIALECT_21


def main():
    way = transport.DCERPCTransportFactory(r"ncacn_np:%s[\pipe\svcctl]" % sys.argv[1])
    way.set_credentials("engineer", "plant")
    way.preferred_dialect(SMB2_DIALECT_21)          # in SMB 3 it would be encrypted
    dce = way.get_dce_rpc()
    dce.connect()
    dce.bind(scmr.MSRPC_UUID_SCMR)
    try:
        manager = scmr.hROpenSCManagerW(dce)["lpScHandle"]
    except rpcrt.DCERPCException:
        manager = bytes(20)
    scmr.hRCreateServiceW(dce, manager, "tool\0", "tool\0", lpBinaryPathName="c:\\tool.exe\0")


if __name__ == "__main__":
    main()
