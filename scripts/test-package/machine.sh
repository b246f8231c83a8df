# shellcheck shell=bash
# shellcheck disable=SC2154 # dir is set by the script that sources this.
# For test-package.sh: a small Debian in $dir/root, booted in a container. It has no network but its own
# loopback interface, and shares nothing with this host but the kernel.

# What the package depends on, without the versions.
dependencies() {
    dpkg-deb --field "$1" Depends | sed 's/ *([^)]*)//g; s/ *| *[^,]*//g; s/ //g'
}

# The lines of apt's sources for the Debian of this host, as apt itself has them.
sources() {
    # shellcheck disable=SC2016 # They are apt's own.
    apt-get indextargets --format 'deb $(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Identifier: Packages' 'Origin: Debian'
}

make_machine() {
    local package=$1 suite=$2 proxy='' options=()
    [ -n "$(sources)" ] || fail "apt knows no source of Debian's packages: apt-get update"
    eval "$(apt-config shell proxy Acquire::http::Proxy)"
    if [ -n "$proxy" ]; then options+=(--aptopt="Acquire::http::Proxy \"$proxy\""); fi
    sources_of "$suite" | mmdebstrap --quiet --variant=minbase "${options[@]}" \
        --include="systemd,systemd-sysv,dbus,sqlite3,curl,procps,$(dependencies "$package")" \
        "$suite" "$dir/root" - 2>"$dir/root.log" || { cat "$dir/root.log" >&2; exit 2; }
}

# The Debian of this host, by its name.
own_suite() (
    # shellcheck source=/dev/null
    . /etc/os-release
    echo "${VERSION_CODENAME-}"
)

# The lines of apt's sources for a release: this host's own, or the same mirror's.
sources_of() {
    if [ "$1" = "$(own_suite)" ]; then
        sources
    else
        sources | awk -v suite="$1" '$2 !~ /security/ { print "deb", $2, suite, "main"; exit }'
    fi
}

machine=
# Where systemd-nspawn keeps its state. What it made there goes with the machine.
nspawn_state=/run/systemd/nspawn
made_state=
boot_machine() {
    if [ ! -e "$nspawn_state" ]; then made_state=yes; fi
    local options=(--quiet --directory="$dir/root" --machine="$(basename "$dir")" --boot
        --private-network --link-journal=no --resolv-conf=off --console=pipe)
    # Without a systemd on the host there is nobody to register with.
    if [ ! -d /run/systemd/system ]; then
        options+=(--register=no --keep-unit)
        make_cgroup
    fi
    (
        enter_cgroup
        # A systemd of 256 or newer does not boot on the control groups of old.
        if wants_new_groups; then export SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=yes; fi
        exec systemd-nspawn "${options[@]}" </dev/null >"$dir/console.log" 2>&1
    ) &
    machine=$!
    local tries=600
    until is_up; do
        if [ "$tries" -eq 0 ] || ! kill -0 "$machine" 2>/dev/null; then
            cat "$dir/console.log" >&2
            echo "$0: systemd does not boot in a container here" >&2
            exit 2
        fi
        tries=$((tries - 1))
        sleep 0.1
    done
}

wants_new_groups() {
    [ "$(chroot "$dir/root" systemctl --version | awk 'NR == 1 { print int($2) }')" -ge 256 ]
}

# Some unit that a container has no use for may fail.
is_up() {
    case $(on_machine systemctl is-system-running 2>/dev/null) in
    running | degraded) ;;
    *) return 1 ;;
    esac
}

# The machine's process 1, by its number here.
first_process() { pgrep -P "$machine" | head -n 1; }

# Runs a command there.
on_machine() {
    local first
    first=$(first_process)
    [ -n "$first" ] || return 1
    nsenter --target "$first" --mount --uts --ipc --net --pid --root --wd -- \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 "$@"
}

stop_machine() {
    # With its own code: in a trap a bare return has that of before the trap, and set -e heeds it.
    if [ -z "$machine" ]; then return 0; fi
    # Nothing there is to be kept, so it is not shut down: all its processes end with its first.
    local first
    first=$(first_process) || true
    kill -KILL "${first:-$machine}" 2>/dev/null || true
    wait "$machine" 2>/dev/null || true
    machine=
    remove_cgroup
    # What is not empty is another container's.
    if [ -n "$made_state" ]; then rmdir "$nspawn_state"/* "$nspawn_state" 2>/dev/null || true; fi
}

# Where no systemd keeps order, the container gets a cgroup of its own here.
cgroups=()
make_cgroup() {
    local hierarchy
    for hierarchy in /sys/fs/cgroup/systemd /sys/fs/cgroup/unified /sys/fs/cgroup; do
        if [ -w "$hierarchy/cgroup.procs" ]; then
            mkdir "$hierarchy/$(basename "$dir")"
            cgroups+=("$hierarchy/$(basename "$dir")")
        fi
    done
}

enter_cgroup() {
    local group
    for group in "${cgroups[@]}"; do echo "$BASHPID" >"$group/cgroup.procs"; done
}

remove_cgroup() {
    local group
    for group in "${cgroups[@]}"; do
        find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null || true
    done
}
