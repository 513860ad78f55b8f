# Sourced by the benchmarks: a PostgreSQL of their own in a folder under /tmp, stopped and removed when the script ends.
#   start_postgresql [SETTING…]    sets $folder and $url (of a superuser, without dbname)
#   make_database NAME SQL-FOLDER  with the migrations and functions of that folder
bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -1 || true)
[ -n "$bin" ] && PATH="$bin:$PATH"
export PGOPTIONS='-c client_min_messages=warning'

as_postgres() {
    if [ "$(id -u)" = 0 ]; then setpriv --reuid=postgres --regid=postgres --clear-groups "$@"; else "$@"; fi
}

stop_postgresql() {
    [ -f "$folder/data/postmaster.pid" ] && as_postgres pg_ctl -D "$folder/data" -m immediate stop >/dev/null 2>&1
    rm -rf "$folder"
}

start_postgresql() {
    folder=$(mktemp -d /tmp/gatepost-bench.XXXXXX)
    chmod 755 "$folder"
    if [ "$(id -u)" = 0 ]; then chown postgres "$folder"; fi
    trap stop_postgresql EXIT
    trap 'exit 130' INT TERM
    local options="-k $folder -c listen_addresses='' -c shared_buffers=256MB -c max_wal_size=4GB -c autovacuum=off"
    local setting
    for setting in "$@"; do options="$options -c $setting"; done
    (
        cd "$folder"
        as_postgres initdb -D data -U postgres -A trust -E UTF8 --locale=C.UTF-8 --no-sync
        as_postgres pg_ctl -D data -l log -w -o "$options" start
    ) >/dev/null
    url="host=$folder user=postgres"
}

make_database() {
    local file
    psql -X -q -c "CREATE DATABASE $1" "$url dbname=postgres"
    for file in "$2"/migrations/*.sql "$2"/functions/*.sql; do
        psql -X -q -1 -v ON_ERROR_STOP=1 -o /dev/null -f "$file" "$url dbname=$1"
    done
}
