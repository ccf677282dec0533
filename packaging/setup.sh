#!/bin/sh
# setup.sh - installs from Debian what a goal of the Makefile needs and is not there.
# usage: packaging/setup.sh [--list] GOAL     GOAL: demo check soak cases fuzz bench lint record
#
# Asks nothing and needs no network when nothing is missing. Otherwise it needs root or sudo. Services
# that come with the packages (redis-server) are neither started nor enabled: the tests start their own.
set -eu

build='gcc make libc6-dev pkg-config libpcap-dev libyaml-dev libhiredis-dev libjansson-dev libpcre2-dev
	libgnutls28-dev libcap-ng-dev libseccomp-dev libxxhash-dev uthash-dev libmicrohttpd-dev libcurl4-gnutls-dev
	libsqlite3-dev libsodium-dev libzstd-dev zlib1g-dev'
tests='libcmocka-dev clang libclang-rt-dev python3 python3-yaml python3-jsonschema tzdata'
lint='clang-format cppcheck shellcheck mandoc python3 python3-yaml python3-jsonschema git'

list=false
if [ "${1-}" = --list ]; then
	list=true
	shift
fi
case ${1-} in
demo) wanted="$build redis-server ieee-data" ;;
check | soak) wanted="$build $tests $lint redis-server ieee-data tcpreplay iproute2 openssl" ;;
cases | fuzz) wanted="$build $tests" ;;
bench) wanted="$build python3 python3-yaml redis-server wireshark-common" ;;
lint) wanted="$build $lint" ;;
record) wanted='gcc libmodbus-dev mbpoll python3-pymodbus python3-serial-asyncio tcpdump tcpreplay iproute2 nodejs npm' ;;
*)
	sed -n 's/^# \{0,1\}//; 2,3p' "$0" >&2
	exit 2
	;;
esac
# Each name once, in order.
wanted=$(echo "$wanted" | tr -s ' \t\n' '\n' | awk '!seen[$0]++' | tr '\n' ' ')
if $list; then
	printf '%s\n' "$wanted"
	exit 0
fi

if ! command -v dpkg-query >/dev/null; then
	echo "setup: this is no Debian; hoping that these are there by other names: $wanted" >&2
	exit 0
fi
missing=
for package in $wanted; do
	dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
		missing="$missing $package"
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" != 0 ]; then
	if command -v sudo >/dev/null; then
		echo "setup: installing with sudo:$missing"
		exec sudo -- "$0" "$@"
	fi
	echo "setup: missing, and only root can install them: apt-get install$missing" >&2
	exit 1
fi

# While apt works, policy-rc.d refuses to start any service that is new; one that was here before goes on
# as it did. An administrator's own policy-rc.d is asked for those, and put back afterwards.
# SETUP_ROOT is for the test of this script.
root=${SETUP_ROOT-}
policy=$root/usr/sbin/policy-rc.d
before=$(mktemp -d)

# What starts by itself at boot.
enabled() {
	find "$root/etc/systemd/system" "$root"/etc/rc[2-5S].d \( -path '*.wants/*' -o -path '*.requires/*' -o -name 'S[0-9]*' \
		-o -type l -name '*.service' \) 2>/dev/null | sort
}

known() {
	for unit in "$root"/etc/init.d/* "$root"/lib/systemd/system/*.service \
		"$root"/usr/lib/systemd/system/*.service "$root"/etc/systemd/system/*.service; do
		[ -e "$unit" ] || continue
		unit=${unit##*/}
		printf '%s\n' "${unit%.service}"
	done
}

put_back() {
	rm -f "$policy"
	if [ -e "$before/policy-rc.d" ]; then
		cp -p "$before/policy-rc.d" "$policy"
	fi
	rm -rf "$before"
}

if [ -e "$policy" ] && ! grep -q '^# bongsu setup' "$policy"; then
	cp -p "$policy" "$before/policy-rc.d"
fi
known >"$before/known"
enabled >"$before/enabled"
trap put_back EXIT
trap 'exit 1' HUP INT TERM
cat >"$policy" <<POLICY
#!/bin/sh
# bongsu setup: new services stay as they are
name=\${1%.service}
grep -qxF -- "\$name" $before/known || exit 101
[ ! -x $before/policy-rc.d ] || exec $before/policy-rc.d "\$@"
exit 0
POLICY
chmod 755 "$policy"

echo "setup: installing:$missing"
export DEBIAN_FRONTEND=noninteractive
apt-get -qq update || echo "setup: no fresh package lists, trying with those at hand" >&2
# shellcheck disable=SC2086 # a list of words
apt-get -qq -y --no-install-recommends -o Dpkg::Use-Pty=0 install $missing >"$before/log" 2>&1 || {
	tail -n 20 "$before/log" >&2
	echo "setup: apt-get failed" >&2
	exit 1
}

# Whatever the packages enabled for the next boot is switched off again.
enabled | comm -13 "$before/enabled" - | while read -r link; do
	unit=$(readlink "$link" || echo "$link") # an alias leads to the unit
	unit=${unit##*/}
	case $link in
	*/etc/rc*) update-rc.d "$(printf '%s' "${link##*/}" | sed 's/^S[0-9]*//')" disable >/dev/null 2>&1 || : ;;
	*.service)
		if [ -d /run/systemd/system ]; then
			systemctl -q disable "$unit" >/dev/null 2>&1 || :
		else
			deb-systemd-helper disable "$unit" >/dev/null 2>&1 || :
		fi
		;;
	esac
done
