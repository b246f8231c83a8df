#!/usr/bin/env bash
# Makes the pages of the package: scripts/package-pages.sh FOLDER
#
# FOLDER/doc is what stands under /usr/share/doc/contact-courier, in the order of the repository, so that links lead
# where they led. A link to what a package does not hold (sources, pages for maintainers) becomes its text alone.
# FOLDER/runbook.md stands beside the rules, in /usr/share/contact-courier/prometheus.
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: $0 FOLDER" >&2; exit 2; }
folder=$(readlink -f "$1")
cd "$(dirname "$(readlink -f "$0")")/.."

doc=$folder/doc
rm -rf "$doc"
mkdir -p "$doc/deploy"
cp -r docs README.md README.zh-CN.md "$doc"
cp -r deploy/README.md deploy/docker deploy/grants deploy/grafana deploy/kubernetes deploy/prometheus deploy/systemd \
    "$doc/deploy"
# The secrets of whoever builds this stay here, and the rules' tests are nobody else's.
rm -rf "$doc/deploy/docker/secrets" "$doc/deploy/prometheus/rules_test.yml"
mkdir "$doc/config"
cp config/contact-courier.toml config/minimal.toml config/rehearsal.toml "$doc/config"

# Takes the links out of a page on standard input that lead nowhere from a folder.
keep_links_of() {
    FROM=$1 perl -0777 -pe '
        s{\[((?:[^\[\]`]|`[^`]*`)*)\]\(([^()\s#]*)(#[^()\s]*)?\)}
         {my ($all, $text, $path) = ($&, $1, $2); $path eq "" || $path =~ m{://} || -e "$ENV{FROM}/$path" ? $all : $text}ge'
}

find "$doc" -name '*.md' | while read -r page; do
    place=$(dirname "$page")
    mv "$page" "$folder/page"
    keep_links_of "$place" <"$folder/page" >"$page"
done
rm "$folder/page"
# From there the other pages are another way off.
sed 's|](\.\./\.\./docs/|](../../doc/contact-courier/docs/|g' "$doc/deploy/prometheus/runbook.md" >"$folder/runbook.md"
find "$doc" -type f -exec chmod 644 {} +
