# shellcheck shell=bash
# shellcheck disable=SC2154 # dir, image and token are set by the scripts that source this.
# For test-image.sh, where no container can be started: the root of the image, read-only, with mounts and a
# loopback interface of its own. It shows the program in this root as this user, and not what a runtime adds.

holder=
courier=
can_chroot() {
    image_root=$(podman_here image mount "$image")
    # shellcheck disable=SC2016 # The inner shell's own.
    unshare --mount --net --propagation private sh -c '
        ip link set lo up && mount --bind "$0" "$0" && mount -t proc proc "$0/proc" &&
            mount --rbind /dev "$0/dev" && mount -t tmpfs tmpfs "$0/run" && mkdir "$0/run/secrets" &&
            mount -t tmpfs -o mode=1777 tmpfs "$0/tmp" && cp -p "$1" "$0/run/secrets/token" &&
            mount -t tmpfs -o uid=65532,gid=65532,mode=0700 tmpfs "$0/var/lib/contact-courier" &&
            mount -o remount,bind,ro "$0" && touch "$2" && exec sleep infinity' \
        "$image_root" "$dir/token" "$dir/held" >"$dir/chroot.log" 2>&1 &
    holder=$!
    until [ -e "$dir/held" ]; do
        kill -0 "$holder" 2>/dev/null || { holder=; return 1; }
        sleep 0.1
    done
}

# Runs the program in there, with the image's variables; it becomes this process.
in_root() {
    local settings
    mapfile -t settings < <(of_image '{{range .Config.Env}}{{println .}}{{end}}' | grep .)
    # setpriv belongs to this machine: the image has none.
    exec nsenter --target "$holder" --mount --net env -i "${settings[@]}" \
        COURIER__PLATFORM__BASE_URL=http://127.0.0.1:8790 COURIER__PLATFORM__TOKEN_FILE=/run/secrets/token \
        setpriv --no-new-privs \
        chroot --userspec=65532:65532 --groups=65532 "$image_root" /usr/bin/contact-courier "$@"
}

# Without a database's address it would make the file at the root, which is read-only.
in_folder() { in_root "$@" --set database.url=sqlite:///var/lib/contact-courier/contact-courier.db; }

start_chroot() {
    (in_root simulate --token "$token") >"$dir/platform.log" 2>&1 &
    (in_folder run) >"$dir/courier.log" 2>&1 &
    courier=$!
}

courier_chroot() { (if [ "$1 ${2-}" = "status --alive" ]; then in_root "$@"; else in_folder "$@"; fi); }
pid_chroot() { echo "$courier"; }
is_healthy_chroot() { courier_chroot status --alive; }
log_chroot() { cat "$dir/courier.log"; }

stop_chroot() {
    local code=0
    kill -TERM "$courier"
    wait "$courier" || code=$?
    echo "$code" >"$dir/code"
}

end_chroot() {
    local pid
    # What has the mounts of the holder is ours.
    for pid in $(jobs -p); do kill -KILL "$pid" 2>/dev/null || true; done
    wait 2>/dev/null || true
}
told_chroot() { echo "by chroot in its root, NOT in a container, which cannot be started here"; }
