"""What a question may be, one statement that reads; and a connection on which nothing but the warehouse can be read.

Two walls, each enough by itself for most of what a statement could do otherwise: its kind and its table functions are
looked at before it runs, and DuckDB itself opens no file beside the warehouse's, with its configuration locked.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import Any

import duckdb

from pipeline.errors import QueryError
from pipeline.warehouse import Warehouse
from pipeline.warehouse.raw_tables import escaped
from pipeline.warehouse.scan import quoted

UNSAFE = "--unsafe asks DuckDB whole"

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

_EXPLAINS = re.compile(
    r"(?:explain|analyze|describe|desc|summarize)\b|\((?!\s*(?:select|from|with|values|table|pivot|unpivot)\b)[^()]*\)",
    re.IGNORECASE,
)
"""Words before a statement that is asked about, and the options of EXPLAIN."""

_SELECTS = re.compile(r"\(|(?:select|from|with|pivot|unpivot)\b", re.IGNORECASE)
_CALLED = re.compile(r'(?:(\w+)|"([^"]*)")\s*\(')


def require_question(connection: duckdb.DuckDBPyConnection, sql: str, macros: Collection[str] = ()) -> None:
    """Raises QueryError for what is not one statement that reads; `macros` are the table macros that it may use.

    Raises DuckDB's own error for what is no SQL.
    """
    statements = connection.extract_statements(sql)
    if not statements:
        raise QueryError("There is no SQL to ask: give one SELECT, DESCRIBE, SUMMARIZE or EXPLAIN.")
    if len(statements) > 1:
        raise QueryError(f"These are {len(statements)} statements, and a question is one: ask them one by one.")
    kind = _kind(statements[0])
    if kind == "EXPLAIN" or (kind == "MULTI" and not _SELECTS.match(sql, _after_comments(sql, 0))):
        explained = _explained(sql)
        if explained == sql:
            raise QueryError(f"A question only reads, and this does more: ask with SELECT; {UNSAFE}.")
        require_question(connection, explained, macros)
        return
    if kind == "SELECT":
        used = set(_used_functions(_tree(connection, sql)))
    elif kind == "MULTI":
        used = _used_functions_of_pivot(connection, sql)
    else:
        word = sql[_after_comments(sql, 0) :].split(None, 1)[0].upper().rstrip(";")
        raise QueryError(f"A question only reads, and {word} does more: ask with SELECT; {UNSAFE}.")
    for name in sorted(used):
        if name not in _READING_FUNCTIONS and name not in macros:
            raise QueryError(f"A question reads the views, and {name}() does something else; {UNSAFE}.")


def _kind(statement: duckdb.Statement) -> str:
    try:
        return str(statement.type.name)
    except ValueError:  # One that the package has no name for.
        return "OTHER"


def _after_comments(sql: str, start: int) -> int:
    """Where the first word after blanks and comments begins, from a place on."""
    while start < len(sql):
        if sql[start].isspace():
            start += 1
        elif sql.startswith("--", start):
            end = sql.find("\n", start)
            start = len(sql) if end < 0 else end
        elif sql.startswith("/*", start):
            end = sql.find("*/", start + 2)
            start = len(sql) if end < 0 else end + 2
        else:
            break
    return start


def _explained(sql: str) -> str:
    """The statement that EXPLAIN and the like ask about."""
    start = _after_comments(sql, 0)
    if sql[start : start + 1] == "(":
        return sql
    while word := _EXPLAINS.match(sql, start):
        start = _after_comments(sql, word.end())
    return sql[start:]


def lock(connection: duckdb.DuckDBPyConnection, warehouse: Warehouse, spill: str) -> None:
    """Lets the connection open no file but the warehouse's, load nothing, and change none of its settings.

    `spill` is a folder of the caller's own, for what does not fit into memory.
    """
    location = warehouse.location.rstrip("/") + "/"
    # As files are named, and as patterns are.
    folders = ", ".join(sorted({quoted(location), quoted(escaped(location))}))
    for setting in (
        f"temp_directory = {quoted(spill)}",
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
    try:
        tree = json.loads(text)
    except RecursionError:
        raise QueryError(f"This nests too deeply to be told what it does; {UNSAFE}.") from None
    if tree.get("error", True):
        raise QueryError(f"What this does cannot be told ({tree.get('error_message')}); {UNSAFE}.")
    return tree


def _used_functions(tree: Any) -> Iterator[str]:
    """The table functions in DuckDB's tree. Raises QueryError for a part that is no query."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            kind = str(node.get("type", ""))
            if kind.endswith("_NODE") and kind not in _READING_NODES:
                raise QueryError(f"A question only reads, and a part of this would {kind.partition('_')[0]}; {UNSAFE}.")
            if kind == "TABLE_FUNCTION":
                yield str(node["function"]["function_name"]).lower()
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


def _used_functions_of_pivot(connection: duckdb.DuckDBPyConnection, sql: str) -> set[str]:
    """The table functions that a PIVOT may call: DuckDB takes it for several statements, and draws no tree of it. So
    every name before a parenthesis counts that is one of a table function, wherever it stands.
    """
    import sqlglot  # Only this needs it, and it takes long to import.
    from sqlglot import exp

    try:
        (parsed,) = sqlglot.parse(sql, dialect="duckdb")
    except (sqlglot.errors.SqlglotError, ValueError, RecursionError):
        parsed = None
    is_query = isinstance(parsed, exp.Query | exp.Pivot)
    if parsed is None or not is_query or parsed.find(exp.DML, exp.DDL, exp.Command, exp.Copy):
        raise QueryError(f"What this does cannot be told: write it as a plain SELECT; {UNSAFE}.")
    known = "select distinct lower(function_name) from duckdb_functions() where function_type in ('table', 'pragma')"
    names = {row[0] for row in connection.execute(known).fetchall()}
    return {name for found in _CALLED.findall(sql) if (name := (found[0] or found[1]).lower()) in names}
