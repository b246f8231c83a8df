# shellcheck shell=bash
# shellcheck disable=SC2154 # dir, image, limits and token are set by the scripts that source this.
# For test-image.sh: the image in containers, as docker/compose.yaml runs it. A container with the simulator has
# nothing but its loopback interface, and the courier shares it.

runtime=
run_container() {
    podman_here --runtime "$runtime" run "${limits[@]}" --read-only --read-only-tmpfs=false --tmpfs /tmp:mode=1777,size=64m --cap-drop all \
        --security-opt no-new-privileges "$@"
}

# Whether a container starts here; by which runtime.
can_container() {
    for runtime in crun runc; do
        if command -v "$runtime" >/dev/null &&
            run_container --rm --network none "$image" --version >"$dir/container.log" 2>&1; then return; fi
    done
    return 1
}

start_container() {
    run_container --detach --name platform --network none "$image" simulate --token "$token" >/dev/null ||
        fail "the simulator does not start"
    run_container --detach --name courier --network container:platform \
        --volume courier:/var/lib/contact-courier --volume "$dir/token:/run/secrets/token:ro" \
        --env COURIER__PLATFORM__BASE_URL=http://127.0.0.1:8790 \
        --env COURIER__PLATFORM__TOKEN_FILE=/run/secrets/token "$image" >/dev/null || fail "it does not start"
}

courier_container() { podman_here --runtime "$runtime" exec --interactive courier /usr/bin/contact-courier "$@"; }
pid_container() { podman_here inspect --format '{{.State.Pid}}' courier; }
is_healthy_container() { podman_here --runtime "$runtime" healthcheck run courier; }
log_container() { podman_here logs courier; }

# Stops it as `docker stop` does, and keeps its exit code. The time is that of compose.yaml.
stop_container() {
    podman_here --runtime "$runtime" stop --time 45 courier >/dev/null 2>&1 || fail "it cannot be stopped"
    podman_here inspect --format "{{.State.ExitCode}}" courier >"$dir/code"
}

# The courier goes first: as long as it shares the simulator's loopback interface, that one cannot be removed.
end_container() {
    local name
    for name in courier platform; do
        podman_here --runtime "$runtime" rm --force --volumes --time 0 "$name" >/dev/null 2>&1 || true
    done
}

told_container() { echo "in a container ($runtime)"; }
