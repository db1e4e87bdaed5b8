"""Rows of a query on another PostgreSQL, as Arrow, read only and a few at a time."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from workbench.database.address import Address
from workbench.errors import StoreUnavailable

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Elsewhere"]

_PLAIN = ("string", "large_string", "bool", "float", "double", "list<item: string>")
_PLAIN_WHOLE = ("int16", "int32", "int64")


@dataclass(frozen=True, repr=False)
class Elsewhere:
    """A query on another database; nothing it shows has the password of that.

    Attributes
    ----------
    statement
        A SELECT.
    """

    address: Address
    statement: str

    @classmethod
    def of(cls, url: str, statement: str) -> Elsewhere:
        """Return the query; BadSettings if `url` is none of PostgreSQL."""
        return cls(Address.parse(url), statement.strip().rstrip(";"))

    def __repr__(self) -> str:
        return f"a query on {self.address.shown}"

    def columns(self) -> list[tuple[str, bool]]:
        """Return the columns, and whether each is of a type for which there is no plain one here.

        Raises
        ------
        StoreUnavailable
            That database does not answer, or refuses the query; the message says which.
        """
        with self._cursor() as cursor:
            schema = cursor.adbc_execute_schema(self.statement)
        plain = {*_PLAIN, *_PLAIN_WHOLE}
        return [(field.name, str(field.type) not in plain) for field in schema]

    def batches(self, statement: str) -> Iterator[pa.RecordBatch]:
        """Give the rows of a statement there, in a transaction that cannot write."""
        with self._cursor() as cursor:
            cursor.execute(statement)
            yield from cursor.fetch_record_batch()

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        from adbc_driver_manager import Error
        from adbc_driver_postgresql.dbapi import connect

        try:
            connection = connect(self.address.url)
        except Error:
            # libpq's message may quote the address.
            raise StoreUnavailable(
                f"{self.address.shown} does not answer, or refuses the connection. Look at the "
                "address, the user and the password."
            ) from None
        with connection, connection.cursor() as cursor:
            try:
                cursor.execute("SET TRANSACTION READ ONLY")
                yield cursor
            except Error as error:
                said = str(error).replace(self.address.url, "…").strip().splitlines()
                raise StoreUnavailable(
                    f"{self.address.shown} refuses the query: {said[0] if said else 'no reason'}."
                ) from None
