"""JWTs: which are taken, and all the ways to get one past a careless verifier, each of which is refused."""

import json
import time
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.auth import jwts
from app.auth.jwts import Verifier
from app.auth.keys import Key, SigningKeys
from app.errors import InvalidToken
from app.settings import Settings, SettingsError
from tests.auth.makers import AUDIENCE, ISSUER, Forge, forged, good_claims, new_key, part, signed, unsigned

KEYS = {algorithm: new_key(algorithm) for algorithm in ("RS256", "EdDSA")}
STRANGER = new_key("RS256")
SETTINGS = Settings(database_url="postgresql+psycopg://nobody@127.0.0.1:1/x", redis_url="redis://127.0.0.1:1")


@pytest.fixture(params=sorted(KEYS))
def key(request: pytest.FixtureRequest) -> Key:
    """The issuer's key, once of each kind."""
    return KEYS[request.param]


def verifier(*keys: Key) -> Verifier:
    return Verifier(own=ISSUER, issuers={ISSUER: SigningKeys(keys)}, audience=AUDIENCE)


def later(seconds: float) -> int:
    return int(time.time() + seconds)


def tampered(key: Key, subject: str) -> str:
    header, _, signature = signed(key, good_claims(subject)).split(".")
    return f"{header}.{part(good_claims('somebody else'))}.{signature}"


def with_claims(**other: Any) -> Forge:
    return lambda key, subject: signed(key, good_claims(subject, **other))


def with_header(**other: Any) -> Forge:
    return lambda key, subject: signed(key, good_claims(subject), **other)


def public_pem(key: Key) -> bytes:
    return bytes(key.as_pem(private=False))


#: What it is, and how to make it of the issuer's key and a good subject.
BAD: dict[str, Forge] = {
    "no signature at all": lambda key, subject: unsigned(good_claims(subject), kid=key.kid),
    "no signature, in other letters": lambda key, subject: unsigned(good_claims(subject), kid=key.kid, alg="nOnE"),
    "the algorithm none, with a signature": lambda key, subject: unsigned(good_claims(subject), "AAAA", kid=key.kid),
    "signed with the public key as a secret": lambda key, subject: forged(
        public_pem(key), good_claims(subject), kid=key.kid
    ),
    "signed with a key that it brings along": lambda _, subject: signed(
        STRANGER, good_claims(subject), jwk=STRANGER.as_dict(private=False)
    ),
    "a known key id, and a key that it brings along": lambda key, subject: signed(
        STRANGER, good_claims(subject), kid=key.kid, alg="RS256", jwk=STRANGER.as_dict(private=False)
    ),
    "a key that is somewhere else (jku)": lambda _, subject: signed(
        STRANGER, good_claims(subject), jku="https://attacker.example/keys"
    ),
    "a certificate that is somewhere else (x5u)": lambda _, subject: signed(
        STRANGER, good_claims(subject), x5u="https://attacker.example/certificate"
    ),
    "well signed, but pointing elsewhere": with_header(jku="https://attacker.example/keys"),
    "an unknown key id": with_header(kid="unknown"),
    "no key id": with_header(kid=None),
    "the key id of another key": lambda key, subject: signed(STRANGER, good_claims(subject), kid=key.kid),
    "another issuer": with_claims(iss="https://attacker.example"),
    "no issuer": with_claims(iss=None),
    "an issuer that is a list": with_claims(iss=[ISSUER]),
    "meant for somebody else": with_claims(aud="https://elsewhere.example"),
    "meant for nobody": with_claims(aud=None),
    "an audience that is an object": with_claims(aud={AUDIENCE: 1}),
    "expired": with_claims(exp=later(-60)),
    "no expiry": with_claims(exp=None),
    "an expiry that is text": with_claims(exp="never"),
    "an expiry that is true": with_claims(exp=True),
    "no id": with_claims(jti=None),
    "an id that is a number": with_claims(jti=1),
    "not good yet": with_claims(nbf=later(3600)),
    "made in the future": with_claims(iat=later(3600)),
    "no time of making": with_claims(iat=None),
    "a subject that is a number": with_claims(sub=42),
    "no subject": with_claims(sub=None),
    "an empty subject": with_claims(sub=""),
    "a subject with NUL": with_claims(sub="a\x00b"),
    "a subject without end": with_claims(sub="a" * 300),
    "no client": with_claims(client_id=None),
    "an ID token": with_header(typ="JWT"),
    "no type": with_header(typ=None),
    "a type that is a list": with_header(typ=["at+jwt"]),
    "critical headers that nobody knows": with_header(crit=["exp"], exp=1),
    "a payload that is signed as it is (RFC 7797)": with_header(crit=["b64"], b64=False),
    "a changed payload": tampered,
    "a cut signature": lambda key, subject: signed(key, good_claims(subject))[:-8],
    "too long": with_claims(extra="x" * 10_000),
    "five parts, as if encrypted": lambda key, subject: signed(key, good_claims(subject)) + ".a.b",
}


def test_a_good_token_says_whom_it_speaks_for_and_what_for(key: Key) -> None:
    bearer = verifier(key).verify(signed(key, good_claims("program", scope="a:read b:write")))

    assert bearer.subject == "program"
    assert bearer.scopes == {"a:read", "b:write"}
    assert bearer.is_own


@pytest.mark.parametrize("aud", [[AUDIENCE, "others"], AUDIENCE], ids=["one of many", "the only one"])
def test_a_token_may_be_meant_for_others_too(key: Key, aud: object) -> None:
    assert verifier(key).verify(signed(key, good_claims("program", aud=aud))).subject == "program"


def test_what_we_make_we_take(key: Key) -> None:
    token = jwts.sign(key, issuer=ISSUER, audience=AUDIENCE, subject="program", scope="a:read")

    assert verifier(key).verify(token).scopes == {"a:read"}
    assert 300 <= jwts.LIFETIME_S <= 600


@pytest.mark.parametrize("claim", [None, 5, ["a:read"], {"a:read": True}], ids=["none", "number", "list", "object"])
def test_a_scope_claim_that_is_no_text_opens_nothing(key: Key, claim: object) -> None:
    assert verifier(key).verify(signed(key, good_claims("program", scope=claim))).scopes == frozenset()


@pytest.mark.parametrize("how", BAD)
def test_a_bad_token_is_refused(key: Key, how: str) -> None:
    token = BAD[how](key, "program")

    with pytest.raises(InvalidToken) as refused:
        verifier(key).verify(token)

    assert str(refused.value) == str(jwts.refusal()), "the answer tells what was wrong"


def test_a_key_is_used_with_its_own_algorithm_only() -> None:
    rsa, okp = KEYS["RS256"], KEYS["EdDSA"]

    for key, other in ((rsa, okp), (okp, rsa)):
        token = signed(key, good_claims("program"), kid=other.kid)

        with pytest.raises(InvalidToken):
            verifier(rsa, okp).verify(token)


def test_each_issuer_signs_with_its_own_keys_only() -> None:
    ours, theirs = KEYS["RS256"], KEYS["EdDSA"]
    both = Verifier(
        own="ours", issuers={"ours": SigningKeys([ours]), "theirs": SigningKeys([theirs])}, audience=AUDIENCE
    )

    assert both.verify(signed(ours, good_claims("program", iss="ours"))).is_own
    assert not both.verify(signed(theirs, good_claims("program", iss="theirs"))).is_own
    for key, issuer in ((ours, "theirs"), (theirs, "ours")):
        with pytest.raises(InvalidToken):
            both.verify(signed(key, good_claims("program", iss=issuer)))


def test_an_older_key_of_ours_still_verifies() -> None:
    old, new = new_key(), new_key()
    token = signed(old, good_claims("program"))

    assert verifier(new, old).verify(token).subject == "program"
    with pytest.raises(InvalidToken):
        verifier(new).verify(token)


def test_a_subject_is_taken_up_to_the_longest(key: Key) -> None:
    longest = "a" * jwts.LONGEST_SUBJECT

    assert verifier(key).verify(signed(key, good_claims(longest))).subject == longest
    with pytest.raises(InvalidToken):
        verifier(key).verify(signed(key, good_claims(longest + "a")))


def test_a_token_is_taken_up_to_the_longest(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    token = signed(key, good_claims("program"))

    monkeypatch.setattr(jwts, "LONGEST", len(token))
    assert verifier(key).verify(token).subject == "program"
    monkeypatch.setattr(jwts, "LONGEST", len(token) - 1)
    with pytest.raises(InvalidToken):
        verifier(key).verify(token)


def test_claims_that_say_not_a_number_are_refused(key: Key) -> None:
    # Standard JSON has no NaN, but Python's own parser takes it, and every comparison with it is false.
    header, _, _ = signed(key, good_claims("program")).split(".")
    claims = urlsafe_b64encode(json.dumps(good_claims("program", exp=float("nan"))).encode()).decode().rstrip("=")

    with pytest.raises(InvalidToken):
        verifier(key).verify(f"{header}.{claims}.AAAA")


def test_deep_nesting_does_not_bring_the_parser_down(key: Key) -> None:
    deep = urlsafe_b64encode(b"[" * 5000).decode().rstrip("=")

    for token in (f"{deep}.e30.AAAA", f"{part({'alg': 'RS256'})}.{deep}.AAAA"):
        with pytest.raises(InvalidToken):
            verifier(key).verify(token)


@given(st.text(max_size=200) | st.lists(st.text(max_size=40), min_size=3, max_size=3).map(".".join))
def test_any_text_whatever_is_refused_and_no_more(text: str) -> None:
    with pytest.raises(InvalidToken):
        verifier(KEYS["EdDSA"]).verify(text)


@given(
    header=st.dictionaries(
        st.sampled_from(["alg", "typ", "kid", "crit", "b64"]), st.integers() | st.text() | st.none()
    ),
    claims=st.dictionaries(st.sampled_from(["iss", "aud", "exp", "sub"]), st.integers() | st.text() | st.none()),
)
def test_headers_and_claims_of_any_kind_are_refused_and_no_more(header: Any, claims: Any) -> None:
    whole = {"alg": "EdDSA", "typ": "at+jwt", "kid": KEYS["EdDSA"].kid, **header}

    with pytest.raises(InvalidToken):
        verifier(KEYS["EdDSA"]).verify(f"{part(whole)}.{part({'iss': ISSUER, **claims})}.AAAA")


def test_without_any_key_no_token_is_good() -> None:
    nobody = Verifier.of(SETTINGS, SigningKeys())

    with pytest.raises(InvalidToken):
        nobody.verify(signed(KEYS["EdDSA"], good_claims("program", iss="rate-platform", aud="rate-platform")))


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ({"jwt_trusted_issuer": "https://a.example"}, "belong together"),
        ({"jwt_trusted_jwks": "https://a.example/keys"}, "belong together"),
        ({"jwt_trusted_issuer": "rate-platform", "jwt_trusted_jwks": "keys.json"}, "must not be RATE_JWT_ISSUER"),
        ({"jwt_trusted_issuer": "a", "jwt_trusted_jwks": "http://a.example/keys"}, "must be an https URL"),
        ({"jwt_trusted_issuer": "a", "jwt_trusted_jwks": "ftp://127.0.0.1/keys"}, "must be an https URL"),
    ],
)
def test_a_trusted_issuer_is_described_wholly_and_soundly(setting: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        Verifier.of(replace(SETTINGS, **setting), SigningKeys())
