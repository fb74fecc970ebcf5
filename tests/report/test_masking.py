"""Credentials are masked wherever they are written, and what is none stays readable."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobchaos.report.masking import MASK, is_secret, mask

_SECRETS = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789-_", min_size=12, max_size=30)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgres://ann:s3cret@db/app", "postgres://ann:***@db/app"),
        ("redis://:s3cret@localhost:6379/0", "redis://:***@localhost:6379/0"),
        ("mysql+pymysql://ann:p@ss@db:3306/app", "mysql+pymysql://ann:***@db:3306/app"),
        ("amqp://ann:1234@mq//", "amqp://ann:***@mq//"),
        ("from redis://:one@a to redis://:two@b", "from redis://:***@a to redis://:***@b"),
    ],
)
def test_the_password_of_a_dsn_is_masked_and_its_user_and_host_are_not(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("authorization: token abc", "authorization: token ***"),
        ("Proxy-Authorization: Basic YTpi", "Proxy-Authorization: Basic ***"),
        ('Authorization: Digest username="ann", response="r"', "Authorization: Digest ***"),
        ("{'Authorization': 'Custom abc', 'Accept': '*/*'}", "{'Authorization': '***', 'Accept': '*/*'}"),
        ('{"authorization": "AWS4-HMAC-SHA256 Credential=a"}', '{"authorization": "AWS4-HMAC-SHA256 ***"}'),
        ("X-Api-Key: abc\nAccept: */*", "X-Api-Key: ***\nAccept: */*"),
        ("Cookie: session=abc; csrf=def\r\nHost: a", "Cookie: ***\r\nHost: a"),
        ("set-cookie: session=abc", "set-cookie: ***"),
        ("sent Bearer abcdefghijklmnop to it", "sent Bearer *** to it"),
    ],
)
def test_the_value_of_a_header_that_authorizes_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("password=hunter2", "password=***"),
        ("PASSWORD = hunter2, name = ann", "PASSWORD = ***, name = ann"),
        ("connect(user='ann', passwd='a, b')", "connect(user='ann', passwd=***)"),
        ("UPDATE users SET password = 'it''s, mine' WHERE id = 1", "UPDATE users SET password = *** WHERE id = 1"),
        ('{"password": "a\\"b", "id": 1}', '{"password": ***, "id": 1}'),
        ("{'db_password': 12345}", "{'db_password': ***}"),
        ("PGPASSWORD=abc psql", "PGPASSWORD=*** psql"),
        ("aws_secret_access_key = AKIA/x", "aws_secret_access_key = ***"),
        ("clientSecret: abc", "clientSecret: ***"),
        ("api_key=abc&apikey=def&api-key=ghi", "api_key=***&apikey=***&api-key=***"),
        ("access_token=a refresh-token=b", "access_token=*** refresh-token=***"),
    ],
)
def test_the_value_of_a_name_that_means_a_secret_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize("name", ["code", "key", "sig", "signature", "token"])
def test_a_short_name_means_a_secret_only_in_a_query(name: str) -> None:
    assert mask(f"GET /a?b=1&{name}=abc&c=2#d") == f"GET /a?b=1&{name}=***&c=2#d"
    assert mask(f"GET /a?{name}=abc") == f"GET /a?{name}=***"
    assert mask(f"SET {name}=abc") == f"SET {name}=abc"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "UPDATE users SET sent = 1 WHERE id = 1",
        'SMTP ann@example.com "Welcome"',
        "GET http://127.0.0.1:8080/users/ann@example.com",
        "secretary: Ann",
        "passwords: 3",
        "SELECT password FROM users",
        "Basic training",
        "ann@example.com: hello",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert mask(text) == text


@given(_SECRETS)
def test_no_piece_of_a_secret_survives_in_any_of_its_places(secret: str) -> None:
    places = (
        "postgres://ann:{}@db/app",
        "Authorization: Basic {}",
        "{{'headers': {{'Cookie': '{}'}}}}",
        "f(password={!r})",
        '{{"api_key": "{}"}}',
        "https://a/b?signature={}",
        "SET secret = '{}'",
    )
    for place in places:
        hidden = mask(place.format(secret))
        assert secret not in hidden
        assert hidden == mask(place.format("other-than-this-one"))
        assert MASK in hidden


@pytest.mark.parametrize(
    "column",
    [
        "password",
        "passwd",
        "pwd",
        "user_password",
        "password_hash",
        "API_KEY",
        "apikey",
        "clientSecret",
        "session_token",
    ],
)
def test_a_column_is_secret_by_its_name(column: str) -> None:
    assert is_secret(column)


@pytest.mark.parametrize("column", ["", "id", "name", "secretary", "key", "token_count", "passing", "author"])
def test_other_columns_are_not_secret(column: str) -> None:
    assert not is_secret(column)


@pytest.mark.parametrize("value", ["b'hunter2'", 'b"hunter2"', "r'hunter2'"])
def test_bytes_are_masked_like_text(value: str) -> None:
    assert mask(f"{{'password': {value}, 'id': 1}}") == "{'password': ***, 'id': 1}"


def test_a_value_is_masked_to_its_end_when_it_holds_an_escaped_quote() -> None:
    value = "its 'own' \"hunter2\""
    assert "hunter2" not in mask(f"f(password={value!r})")


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_value_that_was_cut_off_is_masked(quote: str) -> None:
    assert "hunter2" not in mask(f"f(password={quote}hunter2 and mo")


def test_a_secret_in_nested_json_is_masked() -> None:
    assert "hunter2" not in mask(r'{"body": "{\"password\": \"hunter2\"}"}')


@pytest.mark.parametrize("name", ["Authorization", "Cookie", "X-Api-Key"])
def test_a_header_in_a_pair_is_masked(name: str) -> None:
    assert "hunter2" not in mask(f"[('Accept', '*/*'), ({name!r}, 'hunter2')]")


def test_a_list_of_quoted_columns_stays() -> None:
    statement = 'INSERT INTO "users" ("id", "password", "name") VALUES (?, ?, ?)'
    assert mask(statement) == statement
