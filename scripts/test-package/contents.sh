# shellcheck shell=bash
# For test-package.sh: a look at what is in a package. Nothing is installed.

# Unpacks a package, as dpkg-deb --build wants it back, and tries what is in it.
look_at_contents() {
    local package=$1 tree=$2
    dpkg-deb --raw-extract "$package" "$tree"
    has_matching_versions "$package" "$tree"
    keeps_settings "$tree"
    waits_for_its_administrator "$tree"
    has_all_files "$tree"
    links_lead_somewhere "$tree"
    program_runs "$tree"
}

has_matching_versions() {
    local version told newest
    version=$(dpkg-deb --field "$1" Version)
    told=$("$2/usr/bin/contact-courier" --version)
    [ "$told" = "contact-courier ${version%-*}" ] ||
        fail "the program ($told) and the package ($version) are of different versions"
    newest=$(zcat "$2/usr/share/doc/contact-courier/changelog.Debian.gz")
    [[ $newest = "contact-courier ($version) "* ]] ||
        fail "deploy/debian/changelog begins with '${newest%%$'\n'*}' and does not tell of $version"
}

# The program with none but its own settings.
clean() { env -i "$tree/usr/bin/contact-courier" "$@"; }

keeps_settings() {
    local tree=$1
    grep -qx /etc/contact-courier/config.toml "$tree/DEBIAN/conffiles" ||
        fail "an upgrade would overwrite the settings"
    [ "$(clean config --config "$tree/etc/contact-courier/config.toml")" = \
        "$(clean config --config /dev/null)" ] || fail "the installed settings are not the defaults"
}

waits_for_its_administrator() {
    local unit executable
    unit=$(find "$1" -path "*/lib/systemd/system/contact-courier.service")
    [ -n "$unit" ] || fail "there is no unit"
    executable=$(sed -n 's/^ExecStart=\([^ ]*\).*/\1/p' "$unit")
    [ -x "$1$executable" ] || fail "the unit starts $executable, which is not there"
    if grep -Eq 'deb-systemd-invoke (re)?start' "$1/DEBIAN/postinst"; then
        fail "it would be started before there is a token"
    fi
}

has_all_files() {
    local file
    zgrep -q '^\.TH contact-courier 1' "$1/usr/share/man/man1/contact-courier.1.gz" ||
        fail "there is no man page"
    bash -n "$1/usr/share/bash-completion/completions/contact-courier"
    for file in zsh/vendor-completions/_contact-courier fish/vendor_completions.d/contact-courier.fish \
        contact-courier/prometheus/rules.yml contact-courier/prometheus/runbook.md \
        contact-courier/grafana/contact-courier.json doc/contact-courier/README.Debian \
        doc/contact-courier/docs/operating.md doc/contact-courier/deploy/docker/compose.yaml \
        doc/contact-courier/copyright; do
        [ -s "$1/usr/share/$file" ] || fail "there is no $file"
    done
}

# Each relative link of each page, as it stands where it is installed, and each heading that it names.
links_lead_somewhere() {
    local tree=$1 page target path heading found=0
    while IFS=$'\t' read -r page target; do
        path=${target%%#*} heading=
        if [[ $target == *'#'* ]]; then heading=${target#*#}; fi
        if [ -n "$path" ]; then path=$(dirname "$page")/$path; else path=$page; fi
        [ -e "$path" ] || fail "${page#"$tree"} has a link to $target, which is not there"
        if [[ $heading && $path == *.md ]] && ! has_heading "$path" "$heading"; then
            fail "${page#"$tree"} has a link to $target, where there is no such heading"
        fi
        found=$((found + 1))
    done < <(find "$tree/usr/share" -name '*.md' -exec perl -0777 -ne \
        'while (/\]\(([^()\s]+)\)/g) { my $to = $1; print "$ARGV\t$to\n" unless $to =~ m{://} }' {} +)
    [ "$found" -gt 50 ] || fail "only $found links were found in the pages"
}

# Whether a page has a heading with this anchor, as the web makes it of the heading's text.
has_heading() {
    perl -CSD -Mutf8 -ne 'next unless s/^#+\s+//; chomp; s/[^\w\s-]//g; s/\s/-/g; print lc($_), "\n"' "$1" |
        grep -xF -- "$2" >/dev/null
}

program_runs() {
    local tree=$1 url="sqlite://$1/outbox.db"
    clean migrate --set "database.url=$url" >/dev/null
    [[ $(clean status --set "database.url=$url") = "No contact was inserted yet"$'\n\n'"Pending  0 contacts"* ]] ||
        fail "status does not tell of an empty outbox"
    rm -f "$tree"/outbox.db*
}

# The same package as a later version that ships other settings.
newer_package() {
    local tree=$1 file=$2
    sed -i 's/^Version: .*/&.1/' "$tree/DEBIAN/control"
    echo '# A newer version has something to say here.' >>"$tree/etc/contact-courier/config.toml"
    dpkg-deb --root-owner-group --build "$tree" "$file" >/dev/null
}
