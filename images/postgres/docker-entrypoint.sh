#!/usr/bin/env bash
# Makes a database cluster at the first start, then becomes the server.
#
#   POSTGRES_PASSWORD           the superuser's password; needed unless the next says `trust`
#   POSTGRES_HOST_AUTH_METHOD   how clients from the network prove themselves (default: scram-sha-256)
#   POSTGRES_USER               the superuser's name (default: postgres)
#   POSTGRES_DB                 a database to make (default: the user's name)
#   POSTGRES_INITDB_ARGS        more arguments for initdb
#   POSTGRES_INITDB_WALDIR      where the write-ahead log goes, when not beside the data
#   PGDATA                      where the data is
#   *_FILE                      the first four may be read from a file, such as a secret, instead
#   /docker-entrypoint-initdb.d *.sh, *.sql, *.sql.gz and *.sql.xz in it run once, in order of name, in the new database
set -Eeuo pipefail

# from_file NAME [DEFAULT]: takes NAME from the environment, or from the file that NAME_FILE names; never from both.
from_file() {
    local name=$1 file_name=${1}_FILE
    if [ -n "${!name:-}" ] && [ -n "${!file_name:-}" ]; then
        echo >&2 "Error: both $name and $file_name are set; only one can be."
        exit 1
    fi
    local value=${2:-}
    if [ -n "${!name:-}" ]; then
        value=${!name}
    elif [ -n "${!file_name:-}" ]; then
        value=$(<"${!file_name}")
    fi
    export "$name=$value"
    unset "$file_name"
}

read_settings() {
    from_file POSTGRES_PASSWORD
    from_file POSTGRES_USER postgres
    from_file POSTGRES_DB "$POSTGRES_USER"
    from_file POSTGRES_INITDB_ARGS
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
}

# The folders, made and given to postgres. Only root can do so, and only as far as the mount allows: on a folder of the
# host that refuses chown, initdb's own complaint is clearer than ours would be.
prepare_folders() {
    mkdir -p "$PGDATA" /var/run/postgresql
    chmod 00700 "$PGDATA" 2>/dev/null || true
    chmod 03775 /var/run/postgresql 2>/dev/null || true
    [ -z "${POSTGRES_INITDB_WALDIR:-}" ] || mkdir -p "$POSTGRES_INITDB_WALDIR"
    if [ "$(id -u)" = 0 ]; then
        find "$PGDATA" /var/run/postgresql ${POSTGRES_INITDB_WALDIR:+"$POSTGRES_INITDB_WALDIR"} \
            ! -user postgres -exec chown postgres: '{}' + 2>/dev/null || true
    fi
}

complain_without_password() {
    if [ -z "$POSTGRES_PASSWORD" ] && [ "$POSTGRES_HOST_AUTH_METHOD" != trust ]; then
        cat >&2 <<'TEXT'
Error: Database is uninitialized and superuser password is not specified.
       You must specify POSTGRES_PASSWORD to a non-empty value for the
       superuser. For example, "-e POSTGRES_PASSWORD=password" on "docker run".

       You may also use "POSTGRES_HOST_AUTH_METHOD=trust" to allow all
       connections without a password. This is not recommended.
TEXT
        exit 1
    fi
    if [ "$POSTGRES_HOST_AUTH_METHOD" = trust ]; then
        cat >&2 <<'TEXT'
Warning: POSTGRES_HOST_AUTH_METHOD=trust lets anyone who can reach this port
         into the database, as superuser, without a password.
TEXT
    fi
}

make_cluster() {
    local args=(--username="$POSTGRES_USER" --pgdata="$PGDATA")
    [ -z "${POSTGRES_INITDB_WALDIR:-}" ] || args+=(--waldir="$POSTGRES_INITDB_WALDIR")
    # Word splitting and quotes in POSTGRES_INITDB_ARGS are meant, as the official image has it.
    eval 'initdb "${args[@]}" --pwfile=<(printf "%s\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"' "$@"'
    local method=${POSTGRES_HOST_AUTH_METHOD:-$(postgres -C password_encryption -D "$PGDATA" 2>/dev/null || echo scram-sha-256)}
    printf '\nhost all all all %s\n' "$method" >>"$PGDATA/pg_hba.conf"
}

# psql as the superuser of the temporary server, stopping at the first error.
run_sql() {
    PGHOST=/var/run/postgresql PGHOSTADDR='' \
        psql -v ON_ERROR_STOP=1 --no-psqlrc --no-password --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" "$@"
}

# Listens on the unix socket only: nobody on the network must see a server that is about to go away again.
start_temporary() {
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -w start \
        -o "-c listen_addresses='' -c unix_socket_directories=/var/run/postgresql -p ${PGPORT:-5432}"
}

stop_temporary() {
    PGUSER=$POSTGRES_USER pg_ctl -D "$PGDATA" -m fast -w stop
}

make_database() {
    local there
    there=$(POSTGRES_DB=postgres run_sql --tuples-only --no-align --set db="$POSTGRES_DB" \
        <<<"SELECT 1 FROM pg_database WHERE datname = :'db'")
    if [ -z "$there" ]; then
        POSTGRES_DB=postgres run_sql --set db="$POSTGRES_DB" <<<'CREATE DATABASE :"db"'
    fi
}

run_scripts() {
    local file
    for file; do
        case $file in
        *.sh)
            if [ -x "$file" ]; then
                echo "$0: running $file"
                "$file"
            else
                echo "$0: sourcing $file"
                # shellcheck disable=SC1090 # which file it is, the user decides
                . "$file"
            fi
            ;;
        *.sql) echo "$0: running $file" && run_sql -f "$file" ;;
        *.sql.gz) echo "$0: running $file" && gunzip -c "$file" | run_sql ;;
        *.sql.xz) echo "$0: running $file" && xzcat "$file" | run_sql ;;
        *) echo "$0: ignoring $file" ;;
        esac
        echo
    done
}

first_start() {
    complain_without_password
    make_cluster
    # Scripts and psql connect over the socket, where initdb set `trust`, or with this password where --auth says otherwise.
    export PGPASSWORD=$POSTGRES_PASSWORD
    start_temporary
    make_database
    shopt -s nullglob
    run_scripts /docker-entrypoint-initdb.d/*
    stop_temporary
    unset PGPASSWORD
    printf '\nPostgreSQL init process complete; ready for start up.\n\n'
}

# Only options were given, or nothing: they are for the server.
if [ $# -eq 0 ] || [ "${1:0:1}" = - ]; then
    set -- postgres "$@"
fi

# `postgres --help` and its like need no cluster.
for arg; do
    case $arg in
    -'?' | --help | --describe-config | -V | --version) exec "$@" ;;
    esac
done

if [ "$1" = postgres ]; then
    read_settings
    prepare_folders
    if [ "$(id -u)" = 0 ]; then
        # setpriv replaces itself, so PostgreSQL is process 1 and gets the signals.
        exec setpriv --reuid=postgres --regid=postgres --init-groups env HOME=/var/lib/postgresql "$0" "$@"
    fi
    if [ -s "$PGDATA/PG_VERSION" ]; then
        printf '\nPostgreSQL Database directory appears to contain a database; Skipping initialization\n\n'
    else
        first_start
    fi
fi

exec "$@"
