# Sourced by the benchmarks: a site of their own on free ports of 127.0.0.1, gone when the script ends. Its PostgreSQL is
# durable (fsync and synchronous_commit on); its one tenant `demo` may send as demo.example without limit.
#   start_site                the database, certificates, tenant and credential; sets $folder, $url, $gatepost,
#                             $username; exports GATEPOST_CONFIG; the secret is in $folder/secret
#   serve [ARGUMENT…]         `gatepost serve` with them (--role submission where none is given); sets $server, $port
#                             $preload: a library to be loaded before its own
#   stop_server               ends it in good order
#   bench [ARGUMENT…]         `gatepost bench smtp --json` against it
#   bench_as ARGUMENT…        the same with logins of one's own
#   processor_time PID        milliseconds that the process and all its children, past and present, have used
. "$(dirname "${BASH_SOURCE[0]}")/private-postgresql.sh"
server=

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

stop_server() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null || true
        wait "$server" || true
    fi
    server=
}

stop_site() {
    stop_server
    stop_postgresql
}

start_site() {
    gatepost=$(realpath "${GATEPOST:-.build/release/gatepost}")
    ulimit -n 65536 2>/dev/null || ulimit -n "$(ulimit -Hn)"
    start_postgresql autovacuum=on
    trap stop_site EXIT
    psql -X -q -c 'CREATE DATABASE site' "$url dbname=postgres"
    port=$(free_port)
    export GATEPOST_CONFIG=$folder/gatepost.yaml
    (
        umask 077
        cat >"$GATEPOST_CONFIG" <<YAML
database:
  url: "host=$folder user=gatepost_node dbname=site"
  admin-url: "host=$folder user=gatepost_admin dbname=site"
  owner-url: "$url dbname=site"
submission:
  listen: ["127.0.0.1:$port"]
  listen-tls: none
  hostname: localhost
  certificate: $folder/pki/server.pem
  private-key: $folder/pki/server.key
  max-connections-per-address: 20000
pki:
  directory: $folder/pki
YAML
    )
    {
        "$gatepost" migrate
        "$gatepost" ca init
        "$gatepost" ca issue server --kind server --host localhost
        "$gatepost" tenant create demo --daily unlimited --sessions unlimited
        "$gatepost" domain add demo demo.example --trust
    } >"$folder/setup.log" 2>&1 || { tail -3 "$folder/setup.log" >&2; exit 1; }
    "$gatepost" credential issue demo --json >"$folder/issued"
    username=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["username"])' "$folder/issued")
    python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["secret"])' "$folder/issued" >"$folder/secret"
}

serve() {
    [ $# -gt 0 ] || set -- --role submission
    LD_PRELOAD=${preload:-} "$gatepost" serve "$@" >"$folder/serve.log" 2>&1 &
    server=$!
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        kill -0 "$server" || { tail -3 "$folder/serve.log" >&2; exit 1; }
        sleep 0.1
    done
}

bench() { bench_as --username "$username" --secret-file "$folder/secret" "$@"; }

bench_as() {
    "$gatepost" bench smtp --port "$port" --ca "$folder/pki/ca.pem" --server-name localhost --from bench@demo.example \
        --json "$@" 2>/dev/null
}

processor_time() {
    python3 - "$1" <<'PYTHON'
import os, sys

ticks, children = {}, {}
for entry in os.listdir("/proc"):
    if entry.isdigit():
        try:
            fields = open(f"/proc/{entry}/stat").read().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(entry))
        ticks[int(entry)] = sum(map(int, fields[11:15]))


def total(process):
    return ticks.get(process, 0) + sum(total(child) for child in children.get(process, []))


print(total(int(sys.argv[1])) * 1000 // os.sysconf("SC_CLK_TCK"))
PYTHON
}
