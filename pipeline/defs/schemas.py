"""Columns as Dagster shows them."""

import dagster as dg

from pipeline.contract import Table


def column_schema(columns: dict[str, tuple[str, str, bool]]) -> dg.TableSchema:
    """Dagster's column schema, of (type, description, nullable) by name."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(name, kind, description, dg.TableColumnConstraints(nullable=nullable))
            for name, (kind, description, nullable) in columns.items()
        ]
    )


def table_schema(table: Table) -> dg.TableSchema:
    """The contract of a table as Dagster's column schema."""
    return column_schema({c.name: (str(c.type), c.description, c.nullable) for c in table.columns})
