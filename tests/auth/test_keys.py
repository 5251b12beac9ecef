"""The keys that sign: out of a variable or a file, soundly, and never told to anybody."""

from pathlib import Path

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey

from app.auth.keys import SigningKeys, algorithm
from app.settings import Settings, SettingsError
from tests.auth.makers import new_key, pem

FIRST, SECOND = new_key("EdDSA"), new_key("RS256")


def test_the_first_key_signs_and_all_are_published() -> None:
    keys = SigningKeys.of(pem(FIRST, SECOND))

    assert keys.present.kid == FIRST.kid
    assert [key["kid"] for key in keys.published()["keys"]] == [FIRST.kid, SECOND.kid]
    assert [key["alg"] for key in keys.published()["keys"]] == ["EdDSA", "RS256"]
    assert keys.find(str(SECOND.kid)) is not None
    assert keys.find("unknown") is None


def test_only_the_public_halves_are_published() -> None:
    published = SigningKeys.of(pem(FIRST, SECOND)).published()

    assert all(set(key) <= {"kty", "crv", "x", "n", "e", "kid", "use", "alg"} for key in published["keys"])


def test_keys_may_be_in_a_file_or_on_one_line(tmp_path: Path) -> None:
    file = tmp_path / "keys.pem"
    file.write_text(f"# the keys\n{pem(FIRST)}\n{pem(SECOND)}")

    assert SigningKeys.of(str(file)).present.kid == FIRST.kid
    assert SigningKeys.of(pem(FIRST).replace("\n", "\\n")).present.kid == FIRST.kid


def test_no_setting_is_no_key() -> None:
    assert not SigningKeys.of("")


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("/nowhere/keys.pem", "cannot be read: No such file"),
        ("/dev/null", "holds no PEM"),
        ("-----BEGIN nonsense", "holds no PEM"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "must hold private keys"),
        (SECOND.as_pem(private=False).decode(), "must hold private keys"),
        (FIRST.as_pem(private=True, password="secret").decode(), "must hold private keys"),
        (ECKey.generate_key("P-256").as_pem(private=True).decode(), "must hold Ed25519 keys, or RSA"),
        (OKPKey.generate_key("Ed448").as_pem(private=True).decode(), "must hold Ed25519 keys, or RSA"),
    ],
    ids=["no file", "an empty file", "a broken one", "nonsense", "a public one", "a locked one", "P-256", "Ed448"],
)
def test_what_is_no_key_to_sign_with_is_refused_at_start(setting: str, complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint) as refused:
        SigningKeys.of(setting)

    assert "BEGIN" not in str(refused.value), "the key is in the message"


@pytest.mark.filterwarnings("ignore:Key size")
def test_a_small_key_is_refused() -> None:
    small = RSAKey.generate_key(1024)

    with pytest.raises(SettingsError, match="at least 2048 bits"):
        SigningKeys.of(small.as_pem(private=True).decode())


def test_each_kind_of_key_has_one_algorithm() -> None:
    assert (algorithm(FIRST), algorithm(SECOND)) == ("EdDSA", "RS256")


def test_settings_do_not_tell_the_keys() -> None:
    settings = Settings(database_url="", redis_url="", jwt_signing_keys=pem(FIRST))

    assert "BEGIN" not in repr(settings)
