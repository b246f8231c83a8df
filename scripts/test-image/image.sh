# shellcheck shell=bash
# shellcheck disable=SC2154 # dir, limits and repository are set by the script that sources this.
# For test-image.sh: the image is built, and looked at.

image=localhost/contact-courier:test

build_with() {
    # With the health check, which the other format has no place for.
    podman_here "$@" --format docker --pull-never "${limits[@]}" \
        --file "$repository/deploy/docker/Dockerfile" --tag "$image" "$repository" >"$dir/build.log" 2>&1
}

build_image() {
    step "builds the image by the lines of the Dockerfile"
    local runtime
    for runtime in crun runc; do
        if command -v "$runtime" >/dev/null && build_with --runtime "$runtime" build --network none; then return; fi
        if ! grep -q 'error running container' "$dir/build.log"; then break; fi
    done
    if grep -q 'error running container' "$dir/build.log"; then
        step "NOT in a container, which cannot be started here: $(grep 'error running' "$dir/build.log" | head -n 1)"
        if build_with build --isolation chroot --network host; then return; fi
    fi
    cat "$dir/build.log" >&2
    fail "the image cannot be built"
}

of_image() { podman_here image inspect --format "$1" "$image"; }

size_of_image() { of_image '{{.Size}}' | awk '{ printf "%.1f MB", $1 / 1000000 }'; }

look_at_image() {
    step "has a user without rights, a health check and labels, and no shell"
    local key told version
    [ "$(of_image '{{.Config.User}}')" = 65532:65532 ] || fail "its user is '$(of_image '{{.Config.User}}')'"
    [ "$(of_image '{{json .HealthCheck.Test}}')" = '["CMD","/usr/bin/contact-courier","status","--alive"]' ] ||
        fail "its health check is '$(of_image '{{json .HealthCheck}}')'"
    version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$repository/Cargo.toml" | head -n 1)
    for key in title description version licenses; do
        told=$(of_image "{{index .Labels \"org.opencontainers.image.$key\"}}")
        [ -n "$told" ] || fail "it has no label $key"
    done
    told=$(of_image '{{index .Labels "org.opencontainers.image.version"}}')
    [ "$told" = "$version" ] || fail "its label says version $told, not $version"
    local root
    root=$(podman_here image mount "$image")
    [ -x "$root/usr/bin/contact-courier" ] || fail "there is no program in it"
    [ "$(stat -c %u:%g "$root/var/lib/contact-courier")" = 65532:65532 ] || fail "it cannot write its folder"
    [ "$("$root/usr/bin/contact-courier" --version)" = "contact-courier $version" ] ||
        fail "the program in it is of another version"
    local shell
    for shell in bin/sh usr/bin/sh bin/bash usr/bin/bash bin/busybox; do
        if [ -e "$root/$shell" ]; then fail "there is a shell in it"; fi
    done
    podman_here image unmount "$image" >/dev/null
}
