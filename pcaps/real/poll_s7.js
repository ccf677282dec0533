// poll_s7.js serve|poll ADDRESS - a controller and an HMI made of snap7: the HMI reads a data block, markers, inputs and
// several variables at once, thirty times.
'use strict';
const snap7 = require('node-snap7');
const [, , what, address] = process.argv;

function serve() {
  const server = new snap7.S7Server();
  server.RegisterArea(server.srvAreaDB, 8, Buffer.alloc(256, 7));
  server.RegisterArea(server.srvAreaMK, Buffer.alloc(64, 1));
  server.RegisterArea(server.srvAreaPE, Buffer.alloc(64, 2));
  if (!server.StartTo(address)) throw new Error(server.ErrorText(server.LastError()));
  setInterval(() => {}, 1000);
}

function poll() {
  const client = new snap7.S7Client();
  const check = (ok) => { if (ok === false) throw new Error(client.ErrorText(client.LastError())); };
  check(client.ConnectTo(address, 0, 2));
  let rounds = 0;
  const timer = setInterval(() => {
    check(client.DBRead(8, 0, 64));
    check(client.MBRead(0, 16));
    check(client.EBRead(0, 16));
    check(client.ReadMultiVars([
      { Area: client.S7AreaDB, WordLen: client.S7WLByte, DBNumber: 8, Start: 100, Amount: 8 },
      { Area: client.S7AreaMK, WordLen: client.S7WLBit, Start: 13, Amount: 1 },
    ]));
    if (++rounds < 30) return;
    clearInterval(timer);
    client.Disconnect();
  }, 40);
}

(what === 'serve' ? serve : poll)();
