#!/usr/bin/env bash
# For test-package.sh: what the installed package does. Runs as root on a machine of its own, which has
# a systemd, no network, and the packages in /test.
set -euo pipefail

unit=contact-courier
settings=/etc/contact-courier/config.toml
database=/var/lib/contact-courier/contact-courier.db
token=a-token-that-nobody-may-see

fail() {
    echo "installed.sh: $*" >&2
    journalctl --no-pager --quiet --lines 40 --unit "$unit" >&2 || true
    exit 1
}

step() { echo "  $*"; }

# Waits until a command succeeds: within SECONDS WHAT COMMAND...
within() {
    local tries=$(($1 * 10)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        [ "$tries" -gt 0 ] || fail "in vain: $what"
        tries=$((tries - 1))
        sleep 0.1
    done
}

of_unit() { systemctl show --value --property "$1" "$unit"; }
is() { [ "$(of_unit "$1")" = "$2" ]; }
expect() { is "$1" "$2" || fail "$1 is '$(of_unit "$1")', not '$2'"; }
# It runs, as another process than $1.
runs_anew() { is ActiveState active && is SubState running && ! is MainPID "$1"; }

install_package() {
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq -o Dpkg::Options::=--force-confold "$1" \
        >/test/apt.log 2>&1 || { cat /test/apt.log >&2; fail "apt-get cannot install $1"; }
}

# Whether the text on standard input, which is read to its end, has a line like that.
has_line() { grep -- "$1" >/dev/null; }
has_logged() { journalctl --no-pager --quiet --output=cat --unit "$unit" | has_line "$1"; }

ask() { curl --silent --show-error --fail --max-time 10 "http://127.0.0.1:9464$1"; }
# As the user of the app, if the app has one.
as=root
sql() { runuser -u "$as" -- sqlite3 -cmd '.timeout 10000' "$database" "$1"; }

# Inserts a contact as an app would, and waits for its end.
delivers() {
    sql "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES ('u-1', 't-1', '$1')"
    within 30 "$1 is delivered" has_succeeded "$1"
}
has_succeeded() {
    [ "$(sql "SELECT status FROM contact_outbox WHERE phone = '$1'")" = succeeded ]
}

# As README.Debian tells: a command with what the service has.
courier() {
    systemd-run --quiet --collect --wait --pipe \
        --description=contact-courier --setenv=SUDO_USER="${SUDO_USER:-$(id -un)}" \
        --property=EnvironmentFile=-/etc/contact-courier/environment \
        --property=WorkingDirectory=-/var/lib/contact-courier \
        --setenv=COURIER__PLATFORM__TOKEN_FILE=/etc/contact-courier/token \
        contact-courier "$@"
}

installs_and_waits() {
    step "installs, and waits for its administrator"
    install_package /test/contact-courier.deb
    expect ActiveState inactive
    expect UnitFileState disabled
    local said
    # The man pages of others are not there.
    said=$(systemd-analyze verify --man=no "$unit.service" 2>&1) || fail "systemd finds fault with the unit: $said"
    if grep -F "$unit" <<<"$said" >&2; then fail "systemd finds fault with the unit"; fi
    systemd-analyze security --threshold=20 "$unit" >/dev/null || fail "the sandbox is not tight"
    # The unit makes its folder when it starts, so it is not there yet.
    courier config </dev/null | has_line '^base_url' || fail "no command can be run before the first start"
    if systemctl start "$unit" 2>/dev/null; then fail "it starts without a token"; fi
    systemctl stop "$unit"
}

starts_when_configured() {
    step "starts when it has a token, and is ready when systemctl returns"
    systemd-run --quiet --unit=platform contact-courier simulate --token "$token"
    sed -i 's|^#base_url = .*|base_url = "http://127.0.0.1:8790"|' "$settings"
    (umask 077 && echo "$token" >/etc/contact-courier/token)
    systemctl enable --quiet --now "$unit" || fail "it does not start"
    expect ActiveState active
    expect SubState running
    ask /readyz | has_line '"status":"ready"' || fail "it is not ready"
    contact-courier status --alive >/dev/null || fail "it is not healthy"
}

answers_its_administrator() {
    step "answers its administrator's commands, with the settings of the service"
    (umask 077 && echo COURIER__RATE_LIMIT__BURST=3 >/etc/contact-courier/environment)
    courier config | has_line '^burst = 3$' || fail "the environment is not read"
    rm /etc/contact-courier/environment
    courier status </dev/null | has_line '^courier ' || fail "status sees another database"
    local said
    said=$(courier doctor </dev/null) || fail "doctor finds something wrong: $said"
    SUDO_USER=anna courier pause no-such/lane </dev/null >/dev/null || fail "it cannot pause"
    courier history --limit 1 </dev/null | has_line ' anna (sudo) on ' || fail "the history does not tell who paused"
    courier resume no-such/lane </dev/null >/dev/null || fail "it cannot resume"
    if journalctl --no-pager --quiet --output=cat | has_line 'courier pause'; then fail "the journal has a command line"; fi
}

runs_in_a_sandbox() {
    step "runs in its sandbox, as nobody else, with its own copy of the token"
    local pid status
    pid=$(of_unit MainPID)
    status=$(cat "/proc/$pid/status")
    grep -q '^Seccomp:.2$' <<<"$status" || fail "its system calls are not filtered"
    grep -q '^NoNewPrivs:.1$' <<<"$status" || fail "it might get privileges"
    grep -q '^CapBnd:.0*$' <<<"$status" || fail "it might get capabilities"
    # systemd takes the users that it makes up from these.
    awk '/^Uid:/ { exit !($2 >= 61184 && $2 <= 65519) }' <<<"$status" || fail "it has no user of its own"
    tr '\0' '\n' <"/proc/$pid/environ" >/test/environ
    grep -qx "COURIER__PLATFORM__TOKEN_FILE=/run/credentials/$unit.service/token" /test/environ ||
        fail "it does not get the token as a credential"
    if grep -q "$token" /test/environ; then fail "the token stands in its environment"; fi
    if nsenter --target "$pid" --mount -- touch /usr/it-may-write 2>/dev/null; then
        fail "it could write to /usr"
    fi
}

delivers_and_tells() {
    step "delivers what is inserted, and tells how"
    local nth
    for nth in 1 2 3 4 5; do delivers "1390000000$nth"; done
    sql "INSERT INTO contact_outbox (user_id, task_id, phone) VALUES ('u-1', 't-1', '99')"
    within 30 "a bad number fails" has_failed 1
    ask /metrics | has_line '^courier_contacts_total{fail_kind="",outcome="succeeded"} 5$' ||
        fail "the metrics do not count five contacts"
    has_logged '"level":"INFO"' || fail "its log is no JSON"
    if has_logged "$token" || has_logged 13900000001; then fail "the log tells secrets"; fi
}

comes_back_when_killed() {
    step "is started anew when it is killed"
    local pid
    pid=$(of_unit MainPID)
    kill -KILL "$pid"
    within 30 "it runs again" runs_anew "$pid"
    expect NRestarts 1
    delivers 13900000006
}

comes_back_when_frozen() {
    step "is started anew by the watchdog when it stands still"
    local pid drop_in=/run/systemd/system/$unit.service.d/haste.conf
    # Only for the sake of speed: it is a minute.
    install -D /dev/stdin "$drop_in" <<<$'[Service]\nWatchdogSec=2s'
    systemctl daemon-reload
    systemctl restart "$unit"
    pid=$(of_unit MainPID)
    kill -STOP "$pid"
    within 30 "it runs again" runs_anew "$pid"
    has_logged 'Watchdog timeout' ||
        fail "it was not the watchdog"
    rm "$drop_in"
    systemctl daemon-reload
    systemctl restart "$unit"
    delivers 13900000007
}

reads_its_settings_again() {
    step "reads its settings again without a new start, and keeps the old ones if there is a fault"
    local pid
    pid=$(of_unit MainPID)
    sed -i 's/^#requests_per_second = .*/requests_per_second = 7.5/' "$settings"
    systemctl reload "$unit" || fail "it cannot be reloaded"
    within 30 "the change is told" has_logged 'settings reloaded.*requests_per_second: 10.0 -> 7.5'
    sed -i 's/^requests_per_second = .*/requests_per_second = "many"/' "$settings"
    systemctl reload "$unit" || fail "it cannot be reloaded with a fault"
    within 30 "the fault is told" has_logged 'settings not reloaded.*requests_per_second'
    sed -i 's/^requests_per_second = .*/requests_per_second = 7.5/' "$settings"
    expect ActiveState active
    expect MainPID "$pid"
    delivers 13900000011
}

is_upgraded() {
    step "an upgrade keeps the settings and starts the new one"
    local pid
    pid=$(of_unit MainPID)
    cp "$settings" /test/before
    install_package /test/newer.deb
    within 30 "the new one runs" runs_anew "$pid"
    cmp --silent "$settings" /test/before || fail "the upgrade has changed the settings"
    [ -s "$settings.dpkg-dist" ] || fail "the new default settings are not told"
    rm "$settings.dpkg-dist"
    expect UnitFileState enabled
    delivers 13900000008
}

stops() {
    step "stops cleanly, and leaves nothing open"
    systemctl stop "$unit"
    expect ActiveState inactive
    expect Result success
    expect ExecMainStatus 0
    [ "$(sql 'SELECT count(*) FROM delivery_lane WHERE lease_owner IS NOT NULL')" = 0 ] ||
        fail "it still has a lane"
    [ "$(sql "SELECT count(*) FROM delivery_batch WHERE state <> 'closed'")" = 0 ] ||
        fail "a batch is still open"
}

gives_up_on_wrong_settings() {
    step "does not start again and again with wrong settings"
    sed -i 's/^base_url/bose_url/' "$settings"
    if systemctl start "$unit" 2>/dev/null; then fail "it starts with wrong settings"; fi
    expect ExecMainStatus 2
    expect ActiveState failed
    expect NRestarts 0
    has_logged 'error: .*bose_url' ||
        fail "the journal does not name the wrong key"
    sed -i 's/^bose_url/base_url/' "$settings"
    systemctl start "$unit"
    delivers 13900000009
}

works_on_the_file_of_an_app() {
    step "works on an app's SQLite file by the app's group, as README.Debian tells"
    useradd --system shop
    install -d -o shop -g shop -m 750 /var/lib/shop
    runuser -u shop -- sqlite3 /var/lib/shop/shop.db 'CREATE TABLE orders (id)'
    chmod g+rw /var/lib/shop/shop.db && chmod g+rwxs /var/lib/shop
    install -D /dev/stdin "/run/systemd/system/$unit.service.d/shop.conf" \
        <<<$'[Service]\nSupplementaryGroups=shop\nReadWritePaths=/var/lib/shop'
    (umask 077 && echo 'COURIER__DATABASE__URL=sqlite:///var/lib/shop/shop.db' >/etc/contact-courier/environment)
    systemctl daemon-reload
    systemctl restart "$unit" || fail "it does not start on the app's file"
    database=/var/lib/shop/shop.db as=shop delivers 13900000010
}

is_purged() {
    step "a removal stops it, and a purge leaves nothing but the contacts"
    local pid left
    pid=$(of_unit MainPID)
    apt-get remove -y -qq "$unit" >/test/apt.log 2>&1 || fail "it cannot be removed"
    if [ -e "/proc/$pid" ]; then fail "it still runs"; fi
    [ -s "$settings" ] || fail "a removal takes the settings away"
    apt-get purge -y -qq "$unit" >/test/apt.log 2>&1 || fail "it cannot be purged"
    left=$(find / -xdev -name '*contact-courier*' -not -path '/proc/*' -not -path '/test/*' \
        -not -path '/var/lib/private/contact-courier*' -not -path '/var/lib/contact-courier')
    [ -z "$left" ] || fail "it leaves $left"
    expect LoadState not-found
    [ "$(sql "SELECT count(*) FROM contact_outbox WHERE status = 'succeeded'")" = 10 ] ||
        fail "the contacts are not there any more"
}

has_failed() {
    [ "$(sql "SELECT count(*) FROM contact_outbox WHERE status = 'failed'")" = "$1" ]
}

installs_and_waits
starts_when_configured
answers_its_administrator
runs_in_a_sandbox
delivers_and_tells
comes_back_when_killed
comes_back_when_frozen
reads_its_settings_again
is_upgraded
stops
gives_up_on_wrong_settings
works_on_the_file_of_an_app
is_purged
