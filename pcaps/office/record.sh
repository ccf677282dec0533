#!/bin/sh
# record.sh OUT - records the captures of this folder that real programs make, in network namespaces of its own. Run it as
# root, best in a machine that is thrown away: it adds a user for Samba. Not part of any test: what is recorded differs in times
# and ports. Needs samba, smbclient, python3-impacket, tftpd-hpa, tftp-hpa, ethtool, curl and tcpdump.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
if [ "${2-}" != inside ]; then
	mkdir -p "$1"
	unshare -n "$0" "$1" inside
	exit
fi

out=$1
server=10.9.4.10
work=$(mktemp -d)
unshare -n sleep 600 &
far=$!
trap 'kill $far' EXIT
sleep 1
ip link add near type veth peer name far netns $far
ip address add 10.9.4.5/24 dev near
ip link set near up
there() {
	nsenter -t $far -n "$@"
}
there ip address add $server/24 dev far
there ip link set far up
there ip link set lo up
# What is captured is as it would be on a wire.
ethtool -K near tx off >/dev/null
there ethtool -K far tx off >/dev/null

# record NAME COMMAND…
record() {
	tcpdump -q -Z root -i near -U -w "$out/$1.pcap" 'tcp or udp' >/dev/null 2>&1 &
	dump=$!
	sleep 1
	shift
	"$@" </dev/null >>"$work/log" 2>&1 || :
	sleep 1
	kill $dump
	wait $dump 2>/dev/null || :
}

# A file that says it is a program of Windows, and does nothing.
{ printf 'MZ'; head -c 2998 /dev/zero; } >"$work/tool.exe"

# --- SMB
mkdir -p "$work/share" "$work/samba"
chmod 777 "$work" "$work/share"
cat >"$work/smb.conf" <<CONF
[global]
	private dir = $work/samba
	lock directory = $work/samba
	rpc start on demand helpers = yes
	state directory = $work/samba
	cache directory = $work/samba
	pid directory = $work/samba
	ncalrpc dir = $work/samba/rpc
	log file = $work/samba/log
	disable spoolss = yes
	load printers = no
	map to guest = never
[ADMIN\$]
	path = $work/share
	writable = yes
	admin users = engineer
[public]
	path = $work/share
	writable = yes
CONF
id engineer >/dev/null 2>&1 || useradd -M engineer
printf 'plant\nplant\n' | smbpasswd -c "$work/smb.conf" -s -a engineer >/dev/null
there smbd -D -s "$work/smb.conf"
sleep 2
record smb-admin-share smbclient "//$server/ADMIN\$" -U engineer%plant -c "put $work/tool.exe tool.exe"
record smb-public smbclient "//$server/public" -U engineer%plant -c "put $work/smb.conf notes.txt; get notes.txt /dev/null"
guess() {
	for n in 1 2 3 4 5 6 7 8 9 10 11 12; do
		smbclient "//$server/public" -U "engineer%wrong$n" -c ls || :
	done
}
record smb-guess guess
record smb-service "$here/call.py" $server
kill "$(cat "$work/samba/smbd.pid")" || :

# --- TFTP
there in.tftpd --listen --create --secure --address $server:69 "$work/share" || :
sleep 1
record tftp-write tftp -m binary $server -c put "$work/tool.exe" update.bin
pkill -P $$ in.tftpd 2>/dev/null || :

# --- HTTP
there python3 -m http.server 8080 --bind $server --directory "$work" >/dev/null 2>&1 &
web=$!
sleep 1
cp "$work/tool.exe" "$work/logo.png"
record http-program sh -c "curl -s http://$server:8080/tool.exe -o /dev/null; curl -s http://$server:8080/logo.png -o /dev/null"
kill $web
cat "$work/log"
