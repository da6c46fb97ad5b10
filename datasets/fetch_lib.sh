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

# size_at ADDRESS: bytes of the file there; nothing where the server does not say.
size_at() {
    curl --fail --silent --location --head "$1" | tr -d '\r' |
        awk 'tolower($1) == "content-length:" { bytes = $2 } END { print bytes }'
}

# download ADDRESS FILE.part: go on where an earlier download stopped. A server that cannot go on begins anew; one that
# refuses to go on behind the last byte (a run was killed between the download and its end) has nothing left to give.
download() {
    status=0
    curl --fail --location --retry 3 --continue-at - --output "$2" "$1" || status=$?
    [ "$status" -ne 0 ] || return 0
    if [ -s "$2" ] && [ "$(wc -c <"$2" | tr -d ' ')" = "$(size_at "$1")" ]; then
        echo "fetch: $2 was whole already" >&2
        return 0
    fi
    if [ "$status" -eq 33 ]; then
        echo "fetch: the server cannot go on with half a file: from the beginning" >&2
        rm -f "$2"
        curl --fail --location --retry 3 --output "$2" "$1" && return 0
    fi
    return 1
}

# refused ADDRESS FILE.part: why a download failed, and which file is in the way of another try.
refused() {
    [ -s "$2" ] || fail "$1 cannot be fetched"
    bytes=$(wc -c <"$2" | tr -d ' ')
    there=$(size_at "$1")
    [ "$bytes" -le "${there:-$bytes}" ] ||
        fail "$1 cannot be fetched: $2 has $bytes bytes, the file there $there; remove $2 to begin anew"
    fail "$1 cannot be fetched; its first $bytes bytes are in $2"
}

# fetch ADDRESS FILE: download once. A complete file is kept.
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
    # Killed after the rename and before the checksum: the file is whole.
    [ -e "$2" ] || { download "$1" "$2.part" && mv "$2.part" "$2"; } || refused "$1" "$2.part"
    (cd "$(dirname "$2")" && sha256sum "$(basename "$2")" >"$(basename "$2").sha256.new")
    mv "$2.sha256.new" "$2.sha256"
}

# unpack FOLDER NAME COMMAND...: run the command, which unpacks into FOLDER/unpacking, and keep what it made as
# FOLDER/NAME; the name appears when all of it is there. What is there already stays.
unpack() {
    folder=$1
    name=$2
    shift 2
    if [ -d "$folder/$name" ]; then
        echo "fetch: $folder/$name is there already" >&2
        return
    fi
    rm -rf "$folder/unpacking"
    mkdir "$folder/unpacking"
    "$@" || fail "$folder/$name cannot be unpacked"
    made=$folder/unpacking
    [ ! -d "$made/$(basename "$name")" ] || made=$made/$(basename "$name")
    mkdir -p "$(dirname "$folder/$name")"
    mv "$made" "$folder/$name"
    rm -rf "$folder/unpacking"
}
