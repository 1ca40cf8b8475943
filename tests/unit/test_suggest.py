"""What somebody probably meant."""

from __future__ import annotations

from cargoship.suggest import did_you_mean


def test_the_beginning_of_a_name_is_completed() -> None:
    assert did_you_mean("Shop", ["shop-server-two", "shop-server", "api"]) == '; did you mean "shop-server"?'
    assert did_you_mean("api", ["ap", "api-one"]) == '; did you mean "ap"?', "a slip is nearer"
    assert did_you_mean("sh", ["shop-server"]) == ""
    assert did_you_mean("server", ["shop-server"]) == ""
