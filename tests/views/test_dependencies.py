"""What views read, by their SQL and not by their words; and the order that comes of it."""

import pytest

from pipeline.errors import ViewError
from pipeline.views import View, all_views
from pipeline.views.dependencies import in_order, reads, with_sources


def view(name: str, query: str) -> View:
    return View(name, "current", "", "", {}, query)


def names(*views: View) -> list[str]:
    return [v.name for v in in_order({v.name: v for v in views})]


def test_a_comment_that_names_a_view_and_a_column_that_is_called_like_one_change_nothing() -> None:
    a = view("a", "select b, 'b' as c from raw.t -- see b\n/* and b */")
    b = view("b", "select a.x from a")
    assert names(b, a) == ["a", "b"]
    assert (set(reads(a.query).views), set(reads(a.query).raw_tables)) == (set(), {"t"})


def test_common_table_expressions_are_none_and_hide_views_of_their_name_only_where_they_hold() -> None:
    query = "with b as (select * from a) select * from b where x in (select x from c) union all select * from raw.b"
    assert (set(reads(query).views), set(reads(query).raw_tables)) == ({"a", "c"}, {"b"})
    inner = "select * from (with b as (select 1 as x) select * from b) as s join b on s.x = b.x"
    assert reads(inner).views == {"b"}


def test_a_circle_is_one_sentence() -> None:
    with pytest.raises(ViewError) as error:
        in_order(
            {v.name: v for v in (view("a", "from b"), view("b", "from c"), view("c", "from a"), view("d", "from a"))}
        )
    assert str(error.value).startswith("These views read one another in a circle: ")
    assert {"a", "b", "c"} == set(str(error.value).rstrip(".").partition(": ")[2].split(" → "))


def test_every_view_comes_after_what_it_reads() -> None:
    listed = all_views()
    place = {v.name: n for n, v in enumerate(listed)}
    for v in listed:
        assert all(place[name] < place[v.name] for name in reads(v.query).views if name in place), v.name
    known = {v.name: v for v in listed}
    assert {"looks", "image_builder_sightings", "image_builder_spans"} <= with_sources(known, ["running_spans"])
