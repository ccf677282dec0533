// values_s7.js serve|write ADDRESS - snap7 writes numbers into a data block, markers and outputs, one by one, as a block
// and several at once, and reads them back; tests/cases/value/real.yaml says which.
'use strict';
const snap7 = require('node-snap7');
const [, , what, address] = process.argv;

function serve() {
  const server = new snap7.S7Server();
  server.RegisterArea(server.srvAreaDB, 10, Buffer.alloc(256));
  server.RegisterArea(server.srvAreaMK, Buffer.alloc(64));
  server.RegisterArea(server.srvAreaPA, Buffer.alloc(64));
  if (!server.StartTo(address)) throw new Error(server.ErrorText(server.LastError()));
  setInterval(() => {}, 1000);
}

function write() {
  const client = new snap7.S7Client();
  const check = (ok) => { if (ok === false) throw new Error(client.ErrorText(client.LastError())); return ok; };
  check(client.ConnectTo(address, 0, 2));
  const block = Buffer.alloc(24);
  block.writeFloatBE(1487.5, 4);
  block.writeInt16BE(-300, 8);
  block.writeDoubleBE(-2.5e-7, 12);
  block.writeUInt8(0x08, 20);
  check(client.DBWrite(10, 0, block.length, block));
  check(client.DBRead(10, 0, 64));
  const word = Buffer.alloc(2);
  word.writeUInt16BE(54321);
  check(client.WriteArea(client.S7AreaMK, 0, 20, 1, client.S7WLWord, word));
  check(client.WriteArea(client.S7AreaPA, 0, 4 * 8 + 6, 1, client.S7WLBit, Buffer.from([1])));
  check(client.ReadArea(client.S7AreaPA, 0, 4 * 8 + 6, 1, client.S7WLBit));
  const real = Buffer.alloc(4);
  real.writeFloatBE(0.1);
  check(client.WriteMultiVars([
    { Area: client.S7AreaMK, WordLen: client.S7WLByte, Start: 30, Amount: 1, Data: Buffer.from([200]) },
    { Area: client.S7AreaDB, WordLen: client.S7WLReal, DBNumber: 10, Start: 40, Amount: 1, Data: real },
    { Area: client.S7AreaDB, WordLen: client.S7WLByte, DBNumber: 99, Start: 0, Amount: 1, Data: Buffer.from([1]) },
  ]));
  check(client.ReadMultiVars([
    { Area: client.S7AreaMK, WordLen: client.S7WLByte, Start: 29, Amount: 3 },
    { Area: client.S7AreaDB, WordLen: client.S7WLByte, DBNumber: 99, Start: 0, Amount: 1 },
    { Area: client.S7AreaDB, WordLen: client.S7WLByte, DBNumber: 10, Start: 38, Amount: 8 },
  ]));
  client.Disconnect();
}

(what === 'serve' ? serve : write)();
