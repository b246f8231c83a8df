# shellcheck shell=bash
# To be sourced: free ports for the members of a cluster to speak to each other.

# Whether nobody listens on a port.
is_free() { ! (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# So many ports in a row that are free, below what the kernel gives to connections that go out: prints the
# first.
free_ports() {
    local count=$1 base port
    while true; do
        base=$((20000 + RANDOM % 12000))
        for ((port = base; port < base + count; port++)); do is_free "$port" || continue 2; done
        echo "$base"
        return
    done
}
