#!/bin/sh
# Makes Temporal's two databases and brings their schemas up to this version; safe to repeat.
set -eu

: "${POSTGRES_SEEDS:?}" "${POSTGRES_USER:?}" "${SQL_PASSWORD:?}" "${DB_PORT:=5432}"
schema=/etc/temporal/schema/postgresql/v12

sql_tool() {
  temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" -p "$DB_PORT" -u "$POSTGRES_USER" "$@"
}

set_up() {
  database=$1
  versions=$2
  sql_tool --db "$database" create
  sql_tool --db "$database" setup-schema -v 0.0
  sql_tool --db "$database" update-schema -d "$versions"
}

set_up temporal "$schema/temporal/versioned"
set_up temporal_visibility "$schema/visibility/versioned"
