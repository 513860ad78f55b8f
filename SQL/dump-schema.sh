#!/bin/sh
# Prints the schema that the migrations and functions make, for SQL/schema.sql: a migration's effect as a readable diff.
#
#   SQL/dump-schema.sh > SQL/schema.sql      with a private PostgreSQL of its own, removed at the end
#   SQL/dump-schema.sh 'host=… dbname=…'     of a database that is migrated already
#
# Needs PostgreSQL's programs; as root it runs them as `postgres`, which the server insists on. Partitions are left out,
# for their names are dates, and so are the bodies of functions, which functions/ has whole.
set -eu
export PGOPTIONS='-c client_min_messages=warning'

here=$(cd "$(dirname "$0")" && pwd)
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
[ -n "$bin" ] && PATH="$bin:$PATH"

dump() {
    pg_dump --schema-only --no-owner --no-comments -n gatepost -n ledger -n admin -n report \
        -T 'gatepost.*_[0-9][0-9][0-9][0-9][0-9][0-9][0-9][0-9]t[0-9][0-9]' "$1" |
        sed -e '/^--/d' -e '/^\\restrict/d' -e '/^\\unrestrict/d' -e '/^SET /d' -e '/^SELECT pg_catalog.set_config/d' |
        awk '
            body != "" { if (index($0, body ";")) body = ""; next }
            match($0, /^    AS \$[a-z_]*\$/) {
                body = substr($0, 8, RLENGTH - 7)
                print "    AS ...;"
                if (index(substr($0, RLENGTH + 1), body ";")) body = ""
                next
            }
            { print }' |
        cat -s
}

if [ $# -gt 0 ]; then
    dump "$1"
    exit
fi

as=''
folder=$(mktemp -d /tmp/gatepost-schema-XXXXXX)
if [ "$(id -u)" = 0 ]; then
    as='setpriv --reuid=postgres --regid=postgres --clear-groups'
    chown postgres "$folder"
fi
stop() {
    [ -f "$folder/data/postmaster.pid" ] && $as pg_ctl -D "$folder/data" -m immediate stop >/dev/null 2>&1
    rm -rf "$folder"
}
trap stop EXIT
(
    cd "$folder"
    $as initdb -D data -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync
    $as pg_ctl -D data -l log -w -o "-k $folder -c listen_addresses='' -c fsync=off" start
) >&2
url="host=$folder user=postgres dbname=postgres"
for file in "$here"/migrations/*.sql "$here"/functions/*.sql; do
    psql -X -q -1 -v ON_ERROR_STOP=1 -o /dev/null -f "$file" "$url" >&2
done
dump "$url"
