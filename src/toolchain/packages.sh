# Installs the packages "$@" with the package manager of the image: packages.sh, in a container with network. A scriptlet
# that fails is a failure, whatever the package manager makes of it.
# What the package manager keeps for later and what it logged is removed, and so are the numbers by which
# zypper tells machines apart.

set -eu
export DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1 LC_ALL=C.UTF-8

has() { command -v "$1" > /dev/null; }

installed() { # command
    said=$(mktemp)
    { status=0; "$@" 2>&1 || status=$?; echo "$status" > "$said.status"; } | tee "$said"
    [ "$(cat "$said.status")" -eq 0 ] || exit "$(cat "$said.status")"
    if grep -E -i -q 'script(let)? failed|script(let)? .*failed with|error in [a-z]+ scriptlet' "$said"; then
        echo 'drydock: a scriptlet failed, see above' >&2
        exit 1
    fi
    rm -f "$said" "$said.status"
}

if has tdnf; then
    installed tdnf install --assumeyes "$@"
    tdnf clean all
elif has dnf; then
    installed dnf install --assumeyes --setopt=install_weak_deps=False "$@"
    dnf clean all
elif has microdnf; then
    installed microdnf install --assumeyes --setopt=install_weak_deps=0 "$@"
    microdnf clean all
elif has zypper; then
    installed zypper --non-interactive install --no-recommends "$@"
    zypper clean --all
elif has apt-get; then
    apt-get update --quiet
    apt-get install --yes --quiet --no-install-recommends "$@"
    apt-get clean
elif has apk; then
    apk add --no-cache "$@"
else
    echo 'drydock: the image has no package manager that is known: tdnf, dnf, microdnf, zypper, apt-get, apk' >&2
    exit 1
fi
rm -rf /var/cache/tdnf/* /var/cache/dnf/* /var/cache/yum/* /var/cache/zypp/* /var/lib/apt/lists/* /var/cache/apt/*.bin \
    /var/cache/ldconfig/aux-cache /var/cache/debconf/*-old
rm -f /run/zypp.pid /var/lib/YaST2/cookies /var/lib/zypp/AnonymousUniqueId
rm -f /var/log/dnf* /var/log/hawkey.log /var/log/tdnf* /var/log/zypper.log /var/log/dpkg.log /var/log/alternatives.log
rm -rf /var/log/apt /var/log/zypp
