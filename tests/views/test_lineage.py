"""Which columns a view's columns come from: one view up, past common tables and the helpers that no person sees."""

from pipeline.contract import CHILDREN
from pipeline.views import lineage
from pipeline.views.catalogue import catalogue
from pipeline.views.upstream import upstream


def test_a_column_tells_of_every_column_that_it_is_made_of_and_of_no_other() -> None:
    used = "image_builder_subnets_current"
    assert lineage.of_view("subnet_usage") == {
        "account_id": ((used, "account_id"),),
        "region": ((used, "region"),),
        "subnet_id": ((used, "subnet_id"),),
        "builders": ((used, "arn"),),
        "running": (("image_builder_states", "is_billed"), (used, "arn")),
        "exhausted": (("image_builder_errors_current", "arn"),),
        "last_exhausted_at": (("image_builder_errors", "error_timestamp"),),
    }


def test_a_view_reads_what_its_helpers_read() -> None:
    assert upstream(catalogue()["subnet_usage"]) == {
        *("image_builder_errors", "image_builder_errors_current", "image_builders_current", "image_builder_states"),
        *("image_builder_subnets", "image_builder_subnets_current"),
    }
    # The elements of all lists are a helper.
    read = upstream(catalogue()["image_builder_changes"])
    assert read == {"image_builder_history", "image_builder_sightings", *(table.name for table in CHILDREN)}
