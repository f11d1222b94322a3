"""Which tests should notice a mistake in a file: the nearest first, for one that fails ends the run."""

from __future__ import annotations

from pathlib import PurePosixPath

_OF_MODULE: dict[str, tuple[str, ...]] = {
    "extract/pages": ("extract/test_pages.py", "extract/test_listing.py"),
    "extract/page": ("extract/test_pages.py", "extract/test_listing.py"),
    "extract/parsed": ("extract/test_pages.py", "warehouse/test_normalize.py"),
    "extract/listing": ("extract/test_listing.py", "extract/test_sweep.py", "extract/test_bounds.py"),
    "extract/limits": ("extract/test_bounds.py",),
    "extract/look": ("extract/test_sweep.py", "extract/test_bounds.py", "extract/test_tags.py"),
    "extract/slots": ("extract/test_sweep.py", "extract/test_bounds.py"),
    "extract/workers": ("extract/test_sweep.py", "extract/test_bounds.py"),
    "extract/reader": ("extract/test_listing.py", "extract/test_sweep.py"),
    "extract/wire": ("extract/test_listing.py", "extract/test_sweep.py"),
    "extract/price_list": ("extract/test_prices.py",),
    "extract/tags": ("extract/test_tags.py",),
    "extract/doctor": ("aws/test_credentials.py", "cli/test_commands.py"),
    "warehouse/delta": ("warehouse/test_delta.py",),
    "warehouse/normalize": ("warehouse/test_normalize.py", "warehouse/test_merge.py"),
    "warehouse/merge": ("warehouse/test_merge.py", "warehouse/test_publish.py"),
    "warehouse/publish": ("warehouse/test_publish.py", "warehouse/test_merge.py", "warehouse/test_leftovers.py"),
    "warehouse/publication": ("warehouse/test_publish.py", "warehouse/test_merge.py", "warehouse/test_trouble.py"),
    "warehouse/forgetting": ("warehouse/test_forgetting.py", "warehouse/test_leftovers.py"),
    "warehouse/joining": ("warehouse/test_upkeep.py", "warehouse/test_forgetting.py", "warehouse/test_leftovers.py"),
    "warehouse/upkeep": ("warehouse/test_upkeep.py", "warehouse/test_leftovers.py"),
    "warehouse/prices": ("extract/test_prices.py",),
    "warehouse/local_storage": ("warehouse/test_storage.py", "warehouse/test_publish.py"),
    "warehouse/s3_errors": ("warehouse/test_storage.py", "warehouse/test_trouble.py"),
    "warehouse/s3_lock": ("warehouse/test_storage.py", "warehouse/test_trouble.py"),
    "warehouse/s3_reads": ("warehouse/test_storage.py", "warehouse/test_trouble.py"),
    "warehouse/s3_storage": ("warehouse/test_storage.py", "warehouse/test_trouble.py"),
    "warehouse/contents": ("warehouse/test_leftovers.py", "warehouse/test_upkeep.py"),
    "warehouse/holdings": ("warehouse/test_upkeep.py", "warehouse/test_leftovers.py", "warehouse/test_releases.py"),
    "warehouse/raw_tables": ("views/test_database.py", "warehouse/test_upkeep.py", "warehouse/test_releases.py"),
    "warehouse/scan": ("views/test_database.py", "warehouse/test_trouble.py"),
    "warehouse/snapshot_ids": ("warehouse/test_upkeep.py", "warehouse/test_leftovers.py", "warehouse/test_publish.py"),
    "warehouse/storage": ("warehouse/test_storage.py", "warehouse/test_trouble.py"),
    "warehouse/uninterrupted": ("warehouse/test_trouble.py",),
    "warehouse/warehouse": ("warehouse/test_publish.py", "warehouse/test_releases.py", "warehouse/test_storage.py"),
    "warehouse/inventory": ("warehouse/test_publish.py", "defs/test_snapshot.py"),
    "views/database": ("views/test_view.py", "views/test_database.py", "views/test_findings.py"),
    "views/data_tests": ("views/test_data_tests.py",),
    "views/dependencies": ("views/test_dependencies.py", "views/test_view.py", "views/test_data_tests.py"),
    "views/engines": (),  # Those run Spark.
    "views/lineage": ("views/test_lineage.py", "defs/test_snapshot.py", "test_new_column.py"),
    "views/upstream": ("views/test_lineage.py", "defs/test_snapshot.py"),
    "views/questions": ("views/test_questions.py", "settings/test_environment.py", "cli/test_commands.py"),
    "views/settings_views": ("views/test_findings.py", "views/test_cost.py", "extract/test_prices.py"),
    "views/generated": ("views/test_database.py", "views/test_engines.py", "warehouse/test_upkeep.py"),
    "views/asking": ("views/test_database.py", "views/test_permitted.py", "views/test_engines.py"),
    "views/permitted": ("views/test_permitted.py",),
    "views/folded": ("views/test_fold.py",),
    "views/renaming": ("views/test_fold.py",),
    "views/folding": ("views/test_fold.py",),
    "views/fold_rows": ("views/test_fold.py",),
    "views/fold_order": ("views/test_fold.py",),
    "views/fold_version": ("views/test_fold.py",),
    "views/usable": ("views/test_fold.py",),
    "views/time_limit": ("views/test_fold.py", "views/test_permitted.py"),
    "warehouse/folds": ("views/test_fold.py",),
    "warehouse/unfolded": ("views/test_fold.py",),
}
"""Of a module in a folder that has many tests, those of its subject."""

_OF_FOLDER: dict[str, tuple[str, ...]] = {
    "pipeline/extract": ("extract/test_sweep.py", "extract/test_listing.py", "extract/test_tags.py"),
    "pipeline/warehouse": ("warehouse/test_publish.py", "warehouse/test_upkeep.py", "warehouse/test_leftovers.py"),
    "sql/fold": ("views/test_fold.py",),
    "pipeline/views": ("views/test_view.py", "views/test_database.py", "views/test_data_tests.py"),
    "sql/current": ("views/test_current.py", "views/test_database.py", "warehouse/test_merge.py"),
    "sql/history": ("views/test_history.py", "views/test_findings.py", "views/test_database.py"),
    "sql/cost": ("views/test_cost.py", "extract/test_prices.py", "views/test_history.py"),
    "sql/findings": ("views/test_findings.py",),
    "sql/internal": ("views/test_cost.py", "views/test_history.py", "views/test_findings.py", "views/test_database.py"),
    "sql/usage": ("views/test_usage.py", "views/test_findings.py"),
}


def tests_of(path: str) -> tuple[str, ...]:
    """The files of tests that should notice a mistake in a file; none where such tests are all slow."""
    place = PurePosixPath(path)
    module = f"{place.parent.name}/{place.stem}" if place.suffix == ".py" else ""
    return tuple(f"tests/{name}" for name in _OF_MODULE.get(module, _OF_FOLDER[place.parent.as_posix()]))
