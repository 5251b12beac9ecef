"""Settings: from the environment, checked, with hints, and silent about secrets."""

import pytest

from app.settings import Settings, SettingsError, sqlalchemy_url

NEEDED = {"DATABASE_URL": "postgres://rate:hunter2@db/rate", "REDIS_URL": "rediss://:hunter2@cache:6379"}


def test_what_a_platform_hands_out_is_taken() -> None:
    settings = Settings.from_env(NEEDED)

    assert settings.database_url == "postgresql+psycopg://rate:hunter2@db/rate"
    assert settings.redis_url == "rediss://:hunter2@cache:6379"


@pytest.mark.parametrize(
    ("url", "taken"),
    [
        ("rediss://:s%2Ft@cache:6379", "rediss://:s%2Ft@cache:6379?ssl_cert_reqs=none"),
        ("rediss://cache:6379/1?db=2", "rediss://cache:6379/1?db=2&ssl_cert_reqs=none"),
        ("rediss+sentinel://one:1,two:2/main", "rediss+sentinel://one:1,two:2/main?ssl_cert_reqs=none"),
        ("rediss://cache?ssl_cert_reqs=optional", "rediss://cache?ssl_cert_reqs=optional"),
        ("redis://cache:6379", "redis://cache:6379"),
    ],
)
def test_a_platform_may_sign_the_certificate_of_its_redis_itself(url: str, taken: str) -> None:
    given = {**NEEDED, "REDIS_URL": url}

    assert Settings.from_env({**given, "RATE_REDIS_CERTIFICATE": "unchecked"}).redis_url == taken
    assert Settings.from_env(given).redis_url == url


def test_everything_that_is_missing_is_named_at_once() -> None:
    with pytest.raises(SettingsError) as raised:
        Settings.from_env({})

    assert str(raised.value).splitlines() == ["DATABASE_URL is not set.", "REDIS_URL is not set."]


def test_a_mistyped_name_is_refused_with_the_right_one() -> None:
    with pytest.raises(SettingsError, match=r"RATE_MAX_ITEM is not a setting\. Did you mean RATE_MAX_ITEMS\?"):
        Settings.from_env({**NEEDED, "RATE_MAX_ITEM": "5"})


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("RATE_MAX_ITEMS", "many", "must be a whole number, not 'many'"),
        ("RATE_MAX_ITEMS", "-1", "must not be negative"),
        ("RATE_LOG_FORMAT", "xml", "must be one of json, console"),
        ("RATE_TRACE_SHARE", "most", "must be a number from 0 to 1, not 'most'"),
        ("RATE_TRACE_SHARE", "1.5", "must be a number from 0 to 1"),
        ("RATE_TRACE_SHARE", "nan", "must be a number from 0 to 1"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(name: str, value: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Settings.from_env({**NEEDED, name: value})


def test_a_value_is_read_as_its_kind() -> None:
    given = {"RATE_MAX_ITEMS": "7", "RATE_LOG_FORMAT": "console", "RATE_TRACE_SHARE": "0.25"}
    settings = Settings.from_env({**NEEDED, **given})

    assert settings.max_items == 7
    assert settings.trace_share == 0.25
    assert settings.log_format == "console"


def test_an_empty_value_is_the_default() -> None:
    assert Settings.from_env({**NEEDED, "RATE_MAX_ITEMS": ""}).max_items == Settings.from_env(NEEDED).max_items


def test_variables_of_others_are_none_of_our_business() -> None:
    Settings.from_env({**NEEDED, "HOME": "/", "RATES": "x"})


def test_settings_do_not_tell_secrets() -> None:
    addresses = {"SENTRY_DSN": "https://hunter2@sentry.example/1", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://hunter2@c"}

    assert "hunter2" not in repr(Settings.from_env({**NEEDED, **addresses}))


def test_a_url_that_names_its_driver_is_left_alone() -> None:
    assert sqlalchemy_url("postgresql+psycopg://db/rate") == "postgresql+psycopg://db/rate"
