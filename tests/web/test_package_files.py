"""Single files of installed packages are served; nothing else of the packages is."""

import pytest
from django.contrib.staticfiles import finders

from registry.web.charts import bars_figure, history_figure
from registry.web.package_files import PackageFileFinder


def test_plotly_is_found_and_nothing_else_of_its_package():
    assert finders.find("plotly/plotly.min.js").endswith("plotly.min.js")
    assert [path for path, _ in PackageFileFinder().list(None)] == ["plotly/plotly.min.js"]
    for path in ("plotly/widgetbundle.js", "plotly/datasets/iris.csv.gz", "plotly/../plotly/plotly.min.js", "plotly"):
        assert not finders.find(path)


def test_its_storage_opens_the_file():
    path, storage = next(PackageFileFinder().list(None))
    with storage.open(path) as file:
        assert b"plotly.js" in file.read(100)


@pytest.mark.parametrize("history", [[], [(0, 1.0)], [(0, 1.0), (0, 2.0)], [(0, 1.0), (1, float("nan"))]])
def test_no_line_is_drawn_through_fewer_than_two_steps(history):
    assert history_figure(history) is None


def test_what_is_not_finite_leaves_a_gap():
    figure = history_figure([(2, 3.0), (0, 1.0), (1, float("inf"))])
    assert figure["data"][0]["x"] == [0, 1, 2]
    assert figure["data"][0]["y"] == [1.0, None, 3.0]


def test_the_best_bar_stands_out():
    figure = bars_figure(["v1", "v2"], [2.0, None], best=[0])
    assert figure["data"][0]["x"] == [2.0, None]
    assert figure["data"][0]["marker"]["opacity"][0] > figure["data"][0]["marker"]["opacity"][1]
    assert bars_figure(["v1"], [float("nan")], best=[]) is None
