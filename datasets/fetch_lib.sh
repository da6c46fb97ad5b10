# What the fetch scripts share; read with `.`.
#
# MCVD_FETCH_BASE replaces the address of the set's page, for mirrors and tests (file:///folder).

fail() {
    echo "fetch: $1" >&2
    exit 1
}

need() {
    command -v "$1" >/dev/null || fail "$1 is needed"
}

# fetch ADDRESS FILE: download, going on where an earlier download stopped. A complete file is kept.
# No checksum is published for these files, so the first complete download records its own in FILE.sha256, and later
# runs compare with that: it finds a file that changed on disk or on the server, not one that was wrong from the start.
fetch() {
    if [ -e "$2.sha256" ]; then
        (cd "$(dirname "$2")" && sha256sum --quiet -c "$(basename "$2").sha256") ||
            fail "$2 is not what was downloaded first; remove it and $2.sha256 to fetch it again"
        echo "fetch: $2 is there and unchanged" >&2
        return
    fi
    echo "fetch: $1" >&2
    curl --fail --location --retry 3 --continue-at - --output "$2.part" "$1" || fail "$1 cannot be fetched"
    mv "$2.part" "$2"
    (cd "$(dirname "$2")" && sha256sum "$(basename "$2")" >"$(basename "$2").sha256.new")
    mv "$2.sha256.new" "$2.sha256"
}
