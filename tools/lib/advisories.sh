# RustSec's advisory database, for `cargo deny check advisories`: where one is found, and a copy of it in the form that
# cargo-deny reads (a git repository of a certain name).
# shellcheck shell=bash

# The name by which cargo-deny looks for the repository of RustSec: a hash of its address is part of it.
advisory_name=advisory-db-3157b0e258782691
# cargo-deny's own folder in our cache: `fetched` is what it fetched, `used` is the copy that is checked against.
advisory_cache=$cache/advisory-dbs
# Weeks without a new advisory have not been seen since 2021; half a year says that a database is not kept.
advisory_days=180

# check_advisories CARGO-DENY: known vulnerabilities of the dependencies. Without a database this is an error in a CI job (CI=true)
# and a warning elsewhere: nothing is pretended.
check_advisories() {
    local deny=$1 database date days
    database=$(advisory_database "$deny")
    if [ -z "$database" ]; then
        local missing="advisories were NOT checked: there is no advisory database here, and RustSec's could not be fetched"
        local remedy="Name a copy of https://github.com/RustSec/advisory-db by NVR_ADVISORY_DB, or put one beside the checkout as advisory-db."
        [ "${CI:-}" != true ] || die "$missing" "$remedy"
        warn "$missing. $remedy"
        return
    fi
    date=$(advisory_date "$database")
    days=$((($(date +%s) - $(date -d "$date" +%s)) / 86400))
    say "advisories: $database, newest advisory $date, $days days old"
    [ "$days" -le "$advisory_days" ] ||
        warn "this advisory database is $days days old (limit $advisory_days): bring a newer copy of https://github.com/RustSec/advisory-db"
    with_cache_lock copy_advisories "$database"
    advisory_configuration "$advisory_cache/used"
    "$deny" --workspace --all-features --offline --config "$advisory_cache/used/deny.toml" check advisories
}

# advisory_database CARGO-DENY: the folder of the newest database; nothing where there is none. NVR_ADVISORY_DB goes before all others.
advisory_database() {
    local newest tried
    if [ -n "${NVR_ADVISORY_DB:-}" ]; then
        [ -n "$(advisory_date "$NVR_ADVISORY_DB")" ] ||
            die "NVR_ADVISORY_DB: $NVR_ADVISORY_DB holds no advisory database" \
                "It has to be a copy of https://github.com/RustSec/advisory-db, with the folder crates/ in it."
        realpath "$NVR_ADVISORY_DB"
        return
    fi
    newest=$(newest_database)
    # Once a day at most where there is another one: it may take a while to learn that there is no way to the network.
    tried=$(find "$advisory_cache/fetched/.tried" -mtime -1 2>/dev/null || true)
    if [ -z "$newest" ] || [ -z "$tried" ]; then
        with_cache_lock fetch_advisories "$1" >&2
        newest=$(newest_database)
    fi
    [ -z "$newest" ] || realpath "$newest"
}

newest_database() {
    local candidate date newest='' of_newest=''
    for candidate in "$advisory_cache/fetched/$advisory_name" "${CARGO_HOME:-$HOME/.cargo}"/advisory-dbs/advisory-db-* \
        "$repo/../advisory-db" "$repo"/../*/advisory-db; do
        date=$(advisory_date "$candidate")
        if [[ -n $date && $date > $of_newest ]]; then
            newest=$candidate of_newest=$date
        fi
    done
    echo "$newest"
}

# advisory_date FOLDER: the date of its newest advisory; nothing where it holds none.
advisory_date() {
    [ -d "$1/crates" ] || return 0
    { grep -rhoE '^date = "[0-9]{4}-[0-9]{2}-[0-9]{2}"' "$1/crates" || true; } | sort | tail -n 1 | cut -d'"' -f2
}

# fetch_advisories CARGO-DENY: by the network.
fetch_advisories() {
    local folder=$advisory_cache/fetched told
    mkdir -p "$folder"
    touch "$folder/.tried"
    advisory_configuration "$folder"
    if ! told=$(GIT_TERMINAL_PROMPT=0 timeout 120 "$1" --config "$folder/deny.toml" fetch db 2>&1); then
        say "the advisory database could not be fetched: $(sed '/^ *$/d' <<<"$told" | tail -n 1)"
    fi
}

# copy_advisories FOLDER: into the folder that is checked against, where it differs from what is there.
copy_advisories() {
    local to=$advisory_cache/used/$advisory_name stamp work
    # Of the content: a snapshot that is replaced by another one may keep its name and its times.
    stamp=$(cd "$1" && find crates -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
    if [ "$(cat "$advisory_cache/used/copy-of" 2>/dev/null)" != "$stamp" ] || [ ! -d "$to" ]; then
        work=$(mktemp -d "$cache/.partial.XXXXXX")
        cp -r "$1/crates" "$work/crates"
        chmod -R u+w "$work"
        # Our own settings of git, and the variables of a hook, are none of its business.
        (
            unset "${!GIT_@}"
            export GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null
            cd "$work" && git init -q && git add -A
            git -c user.name=nvr -c user.email=nvr@localhost -c commit.gpgsign=false commit -qm 'copy of an advisory database'
        ) || die "git could not make a repository of the advisory database in $work" "Its message stands above."
        mkdir -p "$advisory_cache/used"
        rm -rf "$to" && mv "$work" "$to"
        echo "$stamp" >"$advisory_cache/used/copy-of"
    fi
}

# advisory_configuration FOLDER: deny.toml, with this folder for databases. How old one is was said above: cargo-deny would refuse
# one of ninety days.
advisory_configuration() {
    grep -q '^\[advisories\]$' "$repo/deny.toml" || die "deny.toml has no table [advisories]" "Put it back: tools/lib/advisories.sh adds to it."
    sed "s#^\[advisories\]\$#&\ndb-path = \"$1\"\nmaximum-db-staleness = \"P100Y\"#" "$repo/deny.toml" >"$1/deny.toml"
}
