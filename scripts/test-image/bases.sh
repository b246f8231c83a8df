# shellcheck shell=bash
# shellcheck disable=SC2154 # dir, repository and binary are set by the script that sources this.
# For test-image.sh: the images that the Dockerfile begins with, made here by their names.

# What stands behind FROM.
base_names() { sed -n 's/^FROM \([^ ]*\).*/\1/p' "$repository/deploy/docker/Dockerfile"; }

make_bases() {
    local names suite
    mapfile -t names < <(base_names)
    [ "${#names[@]}" -eq 2 ] || fail "the Dockerfile begins with ${#names[@]} images, not 2"
    suite=${names[0]##*-}
    step "makes ${names[0]} and ${names[1]} out of Debian $suite"
    make_build_root "$suite" "$dir/build"
    make_runtime_root "$suite" "$dir/runtime"
    import "$dir/build" "localhost/${names[0]}" --change 'ENV PATH=/usr/local/cargo/bin:/usr/sbin:/usr/bin:/sbin:/bin' \
        --change 'ENV CARGO_HOME=/usr/local/cargo' --change "ENV CARGO_BUILD_JOBS=${CARGO_BUILD_JOBS:-$(nproc)}"
    import "$dir/runtime" "${names[1]}"
    rm -rf --one-file-system "$dir/build" "$dir/runtime"
}

import() {
    local root=$1 name=$2
    shift 2
    tar -C "$root" --create . | podman_here import --quiet "$@" - "$name" >/dev/null ||
        cannot "podman cannot take $name in"
}

make_build_root() {
    local suite=$1 root=$2 place
    place=$(debian_with "$suite" gcc,libc6-dev,make,ca-certificates) || cannot "there is no Debian $suite to build in"
    cp -a "$place" "$root"
    mkdir -p "$root/usr/local/cargo/bin"
    if [ -n "$binary" ]; then
        install "$binary" "$root/usr/local/share/contact-courier"
        # It stands for cargo.
        printf '#!/bin/sh\nexec install -D /usr/local/share/contact-courier target/release/contact-courier\n' \
            >"$root/usr/local/cargo/bin/cargo"
        chmod 755 "$root/usr/local/cargo/bin/cargo"
        return
    fi
    local toolchain
    toolchain=$(cd "$repository" && rustc --print sysroot)
    tar -C "$toolchain" --exclude=./share --create . | tar -C "$root/usr/local" --extract
    ln -s ../../bin/cargo ../../bin/rustc "$root/usr/local/cargo/bin/"
    # The sources of all crates, because the build has no network.
    (cd "$repository" && cargo vendor --locked --quiet "$root/usr/local/cargo/vendor") \
        >"$root/usr/local/cargo/config.toml" || cannot "cargo cannot fetch the sources of the crates"
    sed -i "s|\"$root|\"|" "$root/usr/local/cargo/config.toml"
}

# What the image without a shell holds: glibc, what a compiler's programs need, certificates and time zones.
make_runtime_root() {
    local suite=$1 root=$2
    fetch_packages "$suite" base-files ca-certificates libc6 libgcc-s1 libgomp1 libssl3 libstdc++6 netbase tzdata
    mkdir "$root"
    local file
    for file in "$dir"/packages/*.deb; do dpkg-deb --extract "$file" "$root"; done
    mkdir -p "$root/etc/ssl/certs" "$root/home/nonroot"
    # As the package's own script does when it is installed.
    cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
    printf 'root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n' \
        >"$root/etc/passwd"
    printf 'root:x:0:\nnonroot:x:65532:\n' >"$root/etc/group"
    chown -R 65532:65532 "$root/home/nonroot"
}

# Debian's packages of a release, with the mirror and the proxy that apt has. What is installed here does not
# count: a newer version would hide the release's own.
fetch_packages() {
    local suite=$1 mirror lists=$dir/lists
    shift
    # shellcheck disable=SC2016 # It is apt's own.
    mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Identifier: Packages' 'Origin: Debian' | grep -v security | head -n 1)
    [ -n "$mirror" ] || cannot "apt knows no source of Debian's packages: apt-get update"
    mkdir -p "$lists/partial" "$dir/packages"
    echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" >"$dir/sources.list"
    local apt=(apt-get -qq -o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null
        -o "Dir::State::Lists=$lists" -o Dir::State::status=/dev/null -o Dir::Cache::pkgcache= -o Dir::Cache::srcpkgcache= -o APT::Sandbox::User=root)
    { "${apt[@]}" update && (cd "$dir/packages" && "${apt[@]}" download "$@"); } >"$dir/apt.log" 2>&1 ||
        { cat "$dir/apt.log" >&2; cannot "apt-get cannot download $*"; }
}
