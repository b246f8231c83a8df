# shellcheck shell=bash
# shellcheck disable=SC2154 # dir and way are set by the script that sources this.
# For test-image.sh: what the running image has to do, in a container or by chroot.

token=a-token-that-nobody-may-see

choose_way() {
    (umask 077 && printf %s "$token" >"$dir/token")
    chown 65532:65532 "$dir/token"
    if [ "${COURIER_IMAGE_TEST-}" != chroot ] && can_container; then
        way=container
        return
    fi
    step "NOT in a container: $(tail -n 1 "$dir/container.log" 2>/dev/null || echo 'not asked for')"
    can_chroot || cannot "neither a container nor a chroot can be started here: $(tail -n 1 "$dir/chroot.log")"
    way=chroot
}

told_way() { "told_$way"; }

# Waits until a command succeeds: within SECONDS WHAT COMMAND...
within() {
    local tries=$(($1 * 5)) what=$2
    shift 2
    until "$@" >"$dir/last.log" 2>&1; do
        if [ "$tries" -eq 0 ]; then
            { cat "$dir/last.log"; "log_$way" | tail -n 20; } >&2 || true
            fail "in vain: $what"
        fi
        tries=$((tries - 1))
        sleep 0.2
    done
}

try_image() {
    step "becomes healthy, $(told_way)"
    "start_$way"
    within 60 "it becomes healthy" "is_healthy_$way"
    runs_without_rights
    delivers
    tells_no_secret
    stops_in_time
}

runs_without_rights() {
    step "runs as user 65532, without rights, on a root that it cannot write"
    local pid status
    pid=$("pid_$way")
    status=$(cat "/proc/$pid/status")
    grep -q '^Uid:.65532.65532.65532.65532$' <<<"$status" || fail "it runs as $(grep ^Uid <<<"$status")"
    grep -q '^CapEff:.0*$' <<<"$status" || fail "it has capabilities"
    grep -q '^NoNewPrivs:.1$' <<<"$status" || fail "it might get privileges"
    if nsenter --target "$pid" --mount -- touch "/proc/$pid/root/usr/it-may-write" 2>/dev/null; then
        fail "its root can be written"
    fi
}

delivers() {
    step "delivers to the simulator"
    local nth
    { echo phone; for nth in 1 2 3 4 5; do echo "1390000000$nth"; done; } >"$dir/contacts.csv"
    "courier_$way" enqueue --format csv --user-id u-1 --task-id t-1 - <"$dir/contacts.csv" >"$dir/last.log" 2>&1 ||
        { cat "$dir/last.log" >&2; fail "contacts cannot be inserted"; }
    within 30 "five contacts are delivered" five_are_delivered
}

# By its metrics, from within its network.
five_are_delivered() {
    nsenter --target "$("pid_$way")" --net -- bash -c '
        exec 3<>/dev/tcp/127.0.0.1/9464 &&
            printf "GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n" >&3 && cat <&3' |
        grep '^courier_contacts_total{fail_kind="",outcome="succeeded"} 5' >/dev/null
}

tells_no_secret() {
    local log
    log=$("log_$way" 2>&1)
    [[ $log == *'"level":"INFO"'* ]] || fail "its log is no JSON: $log"
    if [[ $log == *"$token"* || $log == *13900000001* ]]; then fail "its log tells secrets"; fi
}

stops_in_time() {
    step "stops at SIGTERM, in time"
    local began=$SECONDS took
    "stop_$way"
    took=$((SECONDS - began))
    [ "$(cat "$dir/code")" = 0 ] || fail "it ended with $(cat "$dir/code")"
    [ "$took" -lt 30 ] || fail "it took $took s to stop"
}
