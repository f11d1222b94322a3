"""What a question may be, one statement that reads; and a connection on which nothing but the warehouse can be read.

Two walls, each enough by itself for most of what a statement could do otherwise: its kind and its table functions are
looked at before it runs, and DuckDB itself opens no file beside the warehouse's, with its configuration locked.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp

from pipeline.errors import QueryError
from pipeline.warehouse import Warehouse
from pipeline.warehouse.raw_tables import escaped
from pipeline.warehouse.scan import quoted

FREELY = "--unsafe asks DuckDB whole"

_READING_FUNCTIONS = {
    *("range", "generate_series", "unnest", "repeat", "repeat_row", "json_each", "json_tree", "summary", "query_table"),
    *("histogram", "histogram_values", "pg_timezone_names", "icu_calendar_names", "test_all_types"),
    # Of files: DuckDB opens those of the warehouse only.
    *("read_parquet", "parquet_scan", "parquet_metadata", "parquet_schema", "parquet_file_metadata", "glob"),
    *("parquet_kv_metadata", "parquet_full_metadata"),
    # Of what there is in the database.
    *("duckdb_columns", "duckdb_constraints", "duckdb_databases", "duckdb_dependencies", "duckdb_extensions"),
    *("duckdb_functions", "duckdb_indexes", "duckdb_keywords", "duckdb_memory", "duckdb_optimizers"),
    *("duckdb_schemas", "duckdb_sequences", "duckdb_settings", "duckdb_tables", "duckdb_types", "duckdb_variables"),
    *("duckdb_views", "pragma_collations", "pragma_database_size", "pragma_platform", "pragma_show"),
    *("pragma_table_info", "pragma_user_agent", "pragma_version"),
}
"""The table functions of DuckDB 2.0 that read and do nothing else. Others write logs and profiles, run SQL out of a
text, or take the address of memory to read from.
"""

_READING_NODES = {"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE"}
"""The kinds of queries in DuckDB's own tree of a statement; a common table expression may be an INSERT, for one."""

_BEGINNING = r"\A(?:\s|--[^\n]*(?:\n|\Z)|/\*.*?\*/)*"
_EXPLAIN = re.compile(_BEGINNING + r"explain\b(?:\s+analyze\b)?(?:\s*\([^()]*\))?", re.IGNORECASE | re.DOTALL)
_SELECTS = re.compile(_BEGINNING + r"(?:\(|(?:select|from|with|pivot|unpivot)\b)", re.IGNORECASE | re.DOTALL)


def require_question(connection: duckdb.DuckDBPyConnection, sql: str, macros: Collection[str] = ()) -> None:
    """Raises QueryError for what is not one statement that reads; `macros` are the table macros that it may use.

    Raises DuckDB's own error for what is no SQL.
    """
    statements = connection.extract_statements(sql)
    if not statements:
        raise QueryError("There is no SQL to ask: give one SELECT, DESCRIBE, SUMMARIZE or EXPLAIN.")
    if len(statements) > 1:
        raise QueryError(f"These are {len(statements)} statements, and a question is one: ask them one by one.")
    kind = statements[0].type.name
    if kind == "EXPLAIN":
        explained = _EXPLAIN.sub("", sql, count=1)
        if explained == sql:
            raise QueryError(f"What this explains cannot be told apart: ask without comments, or {FREELY}.")
        require_question(connection, explained, macros)
        return
    if kind == "SELECT":
        used = list(_used_functions(_tree(connection, sql)))
    elif kind == "MULTI" and _SELECTS.match(sql):
        used = list(
            _used_functions_of_pivot(sql)
        )  # DuckDB takes a PIVOT for several statements, and draws no tree of it.
    else:
        raise QueryError(f"A question only reads, and this would {kind}: ask with SELECT; {FREELY}.")
    for name in used:
        if name not in _READING_FUNCTIONS and name not in macros:
            raise QueryError(f"A question reads the views, and {name}() does something else; {FREELY}.")


def lock(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse) -> None:
    """Lets the connection open no file but the warehouse's, load nothing, and change none of its settings."""
    location = warehouse.location.rstrip("/") + "/"
    # As files are named, and as patterns are.
    folders = ", ".join(sorted({quoted(location), quoted(escaped(location))}))
    for setting in (
        # What does not fit into memory; it would go into the working folder else.
        f"temp_directory = {quoted(str(Path(tempfile.gettempdir()) / 'image-builders-duckdb'))}",
        f"allowed_directories = [{folders}]",
        "enable_external_access = false",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "allow_community_extensions = false",
        # A name that is no table would be looked up among Python's variables.
        "python_enable_replacements = false",
        "lock_configuration = true",
    ):
        connection.execute(f"set {setting}")


def _tree(connection: duckdb.DuckDBPyConnection, sql: str) -> Any:
    (text,) = connection.execute("select json_serialize_sql($1)", [sql]).fetchone() or ("{}",)
    tree = json.loads(text)
    if tree.get("error", True):
        raise QueryError(f"What this does cannot be told ({tree.get('error_message')}); {FREELY}.")
    return tree


def _used_functions(tree: Any) -> Iterator[str]:
    """The table functions in DuckDB's tree. Raises QueryError for a part that is no query."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            kind = str(node.get("type", ""))
            if kind.endswith("_NODE") and kind not in _READING_NODES:
                raise QueryError(f"A question only reads, and a part of this would {kind.partition('_')[0]}; {FREELY}.")
            if kind == "TABLE_FUNCTION":
                yield str(node["function"]["function_name"]).lower()
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _used_functions_of_pivot(sql: str) -> Iterator[str]:
    try:
        (parsed,) = sqlglot.parse(sql, dialect="duckdb")
    except (sqlglot.errors.SqlglotError, ValueError, RecursionError):
        parsed = None
    if not isinstance(parsed, exp.Query | exp.Pivot):
        raise QueryError(f"What this does cannot be told: write it as a plain SELECT; {FREELY}.")
    for table in parsed.find_all(exp.Table):
        if isinstance(table.this, exp.Func):
            yield table.this.name.lower() if isinstance(table.this, exp.Anonymous) else table.this.sql_name().lower()
