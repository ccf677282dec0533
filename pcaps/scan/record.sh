#!/bin/sh
# record.sh - records the captures of this folder again: nmap and a toy worm between hosts in network namespaces of
# their own; run it as root. Not part of any test: what is recorded differs in times and ports. Needs nmap,
# tcpdump, ethtool and ptunnel-ng. Five minutes, most of them for the slow scan.  usage: record.sh [NAME]
#   attacker 10.8.0.66 -- router -- plant 10.9.0.10 .11 .12 (502 is open, all else refused; other addresses are dark)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${1-}" != inside ]; then
	to=$(mktemp -d)
	trap 'rm -rf "$to"' EXIT
	unshare -n "$0" inside "$to" "$@"
	exit
fi
to=$2
only=${3-}

unshare -n sleep 900 &
router=$!
unshare -n sleep 900 &
plant=$!
trap 'kill $router $plant' EXIT
sleep 1
ip link add out type veth peer name in netns $router
ip address add 10.8.0.66/24 dev out
ethtool -K out tx off >/dev/null
ip link set out up
at_router() {
	nsenter -t $router -n "$@"
}
at_plant() {
	nsenter -t $plant -n "$@"
}
at_router ip address add 10.8.0.1/24 dev in
at_router ip link set in up
ip route replace 10.9.0.0/24 via 10.8.0.1
at_router ip link add floor type veth peer name plc netns $plant
at_router ip address add 10.9.0.1/24 dev floor
at_router ip link set floor up
at_router ethtool -K in tx off >/dev/null
at_router ethtool -K floor tx off >/dev/null
at_plant ethtool -K plc tx off >/dev/null
at_router sysctl -qw net.ipv4.ip_forward=1 net.ipv4.icmp_ratelimit=0
for host in 10 11 12; do
	at_plant ip address add 10.9.0.$host/24 dev plc
done
at_plant sysctl -qw net.ipv4.icmp_ratelimit=0 net.ipv4.icmp_msgs_per_sec=10000
at_plant ip link set plc up
at_plant ip link set lo up
at_plant ip route add default via 10.9.0.1
nsenter -t $plant -n python3 -c '
import socket
s = socket.create_server(("0.0.0.0", 502))
while True:
    s.accept()[0].close()' &
server=$!
trap 'kill $router $plant $server' EXIT
sleep 1

# record NAME COMMAND…: what the attacker's cable carries meanwhile, and five seconds later
record() {
	name=$1
	shift
	if [ "${only:-$name}" != "$name" ]; then
		return
	fi
	tcpdump -q -Z root -i out -s "${snap:-128}" -U -w "$to/$name.pcap" ip or arp >/dev/null 2>&1 &
	dump=$!
	sleep 1
	"$@" >/dev/null
	sleep 5
	nmap -n -sn 10.8.0.1 >/dev/null
	sleep 1
	kill $dump
	wait $dump || :
	mv "$to/$name.pcap" "$here"
}

record syn-horizontal nmap -n -Pn -sS -p 502 --max-retries 0 10.9.0.2-30
record connect-vertical nmap -n -Pn -sT --top-ports 30 10.9.0.10
record udp-vertical nmap -n -Pn -sU --top-ports 20 10.9.0.10
record stealth sh -c 'nmap -n -Pn -sN -p 20-24 10.9.0.10; nmap -n -Pn -sF -p 30-34 10.9.0.10; nmap -n -Pn -sX -p 40-44 10.9.0.10'
record ping-sweep nmap -n -sn -PE --max-retries 0 10.9.0.0/26
record arp-sweep nmap -n -sn --max-retries 0 10.8.0.0/26
record slow-horizontal nmap -n -Pn -sS -T1 --max-hostgroup 1 --max-retries 0 --scan-delay 15s -p 502 10.9.0.10,50-59

# A page of 6 KiB is fetched through ping: ptunnel-ng serves at the plant, its client listens beside the attacker.
tunnel() {
	at_plant sysctl -qw net.ipv4.icmp_echo_ignore_all=1
	ip link set lo up
	nsenter -t $plant -n ptunnel-ng -R8000 -r10.9.0.10 >/dev/null 2>&1 &
	proxy=$!
	nsenter -t $plant -n python3 -c '
import http.server
class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(bytes(i * i % 251 for i in range(6144)))
http.server.HTTPServer(("10.9.0.10", 8000), Page).handle_request()' >/dev/null 2>&1 &
	ptunnel-ng -p10.9.0.10 -l8001 -r10.9.0.10 -R8000 >/dev/null 2>&1 &
	client=$!
	sleep 2
	python3 -c '
import urllib.request
print(len(urllib.request.urlopen("http://127.0.0.1:8001/", timeout=20).read()))' || :
	sleep 1
	kill $proxy $client
}

snap=0
record ptunnel tunnel
