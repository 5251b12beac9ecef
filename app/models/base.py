"""What every table shares: the metadata that migrations compare against, and how ids are made."""

from collections.abc import Iterable
from uuid import UUID

import uuid_utils
import uuid_utils.compat
from sqlalchemy import MetaData
from sqlalchemy.orm import DeclarativeBase

#: Names that PostgreSQL would choose itself, written down so that migrations can name them.
NAMES = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
    "ck": "%(table_name)s_%(constraint_name)s_check",
}


class Base(DeclarativeBase):
    """The root of all tables."""

    metadata = MetaData(naming_convention=NAMES)


def new_id() -> UUID:
    """Return a new UUIDv7 (RFC 9562 §5.7): unique, and ordered by the millisecond it was made in."""
    return uuid_utils.compat.uuid7()


def new_name() -> str:
    """Return the text of a new id, which need not be one to anybody: made in a third of the time."""
    return str(uuid_utils.uuid7())


def array(ids: Iterable[UUID]) -> str:
    """Return the ids as the text of an array of PostgreSQL: a list would cost the driver many times that."""
    return f"{{{','.join([each.hex for each in ids])}}}"
