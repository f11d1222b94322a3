"""Flattens image builders, as the API nests them, into the contract's tables, by Arrow compute on many at once.

Pure functions: batches in, tables out. They loop over tables and columns, never over image builders.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import contract
from pipeline.contract import Column, Table, member


def normalize(looked: pa.RecordBatch | pa.Table, snapshot_id: str) -> dict[str, pa.Table]:
    """The rows of every data table, by table name, for image builders of the schema `contract.LOOKED`.

    A list that is absent, null or empty makes no child rows; a null in a list keeps its position.
    """
    looked = pa.table(looked).combine_chunks()
    columns = {name: _array(looked[name]) for name in looked.schema.names}
    columns["tags_observed_at"] = pc.if_else(
        pc.is_valid(columns["tags"]), columns["observed_at"], pa.scalar(None, contract.MOMENT)
    )
    columns["snapshot_id"] = pa.repeat(pa.scalar(snapshot_id), looked.num_rows)
    return {t.name: _explode(t, columns) if t.explodes else _flatten(t, columns) for t in contract.DATA_TABLES}


def _array(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks else pa.array([], column.type)


def _flatten(table: Table, columns: dict[str, pa.Array]) -> pa.Table:
    arrays = [
        columns[c.name] if c.name in columns else _typed(c, member(columns["builder"], c.source or ""))
        for c in table.columns
    ]
    return pa.Table.from_arrays(arrays, schema=table.schema)


def _explode(table: Table, columns: dict[str, pa.Array]) -> pa.Table:
    assert table.explodes
    lists = columns["tags"] if table.operation == contract.TAGS else member(columns["builder"], table.explodes)
    parents = pc.list_parent_indices(lists)
    elements = pc.list_flatten(lists)
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    starts = pc.subtract(pc.cumulative_sum(lengths), lengths)
    position = pc.subtract(pa.arange(0, len(elements)), pc.take(starts, parents))
    arrays = []
    for column in table.columns:
        if column.name == "position":
            arrays.append(position.cast(pa.int32()))
        elif column.source:
            inner = column.source.removeprefix(f"{table.explodes}[]").removeprefix(".")
            arrays.append(_typed(column, member(elements, inner) if inner else elements))
        else:
            arrays.append(pc.take(columns[column.name], parents))
    return pa.Table.from_arrays(arrays, schema=table.schema)


def _typed(column: Column, array: pa.Array) -> pa.Array:
    if column.type != contract.MOMENT:
        return array
    return pc.round(pc.multiply(array, 1e6)).cast(pa.int64()).cast(contract.MOMENT)
