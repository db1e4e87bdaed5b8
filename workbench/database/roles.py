"""What the role of PostgreSQL that connects lacks, with the statement that gives it."""

from __future__ import annotations

from sqlalchemy import text

from workbench.database.engine import Database
from workbench.errors import NotAllowed

_ROLE = text("SELECT quote_ident(current_user)")
_HELD = text(
    "SELECT quote_ident(current_user) AS role, quote_ident(current_database()) AS database,"
    " (SELECT quote_ident(pg_get_userbyid(c.relowner)) FROM pg_class AS c"
    " JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = 'public'"
    " AND c.relname = 'alembic_version' AND NOT pg_has_role(c.relowner, 'USAGE')) AS owner,"
    " has_database_privilege(current_database(), 'CREATE')"
    " AND has_schema_privilege('public', 'CREATE') AS makes_tables,"
    " m.rolsuper, m.rolcreaterole, r.count = 4 AS there, r.held = 2 AS held, r.given = 2 AS given,"
    " current_setting('server_version_num')::integer < 160000 AS gives_any"
    " FROM pg_roles AS m, (SELECT count(*) AS count,"
    " count(*) FILTER (WHERE needed AND pg_has_role(oid, 'MEMBER')) AS held,"
    " count(*) FILTER (WHERE needed AND pg_has_role(oid, 'MEMBER WITH ADMIN OPTION')) AS given"
    " FROM (SELECT oid, rolname IN ('workbench_server', 'workbench_logins') AS needed"
    " FROM pg_roles WHERE rolname IN ('workbench_viewer', 'workbench_editor', 'workbench_server',"
    " 'workbench_logins')) AS g) AS r WHERE m.rolname = current_user"
)


async def no_server(database: Database) -> NotAllowed:
    """Return the error for a role that is neither the owner nor one of the server's."""
    async with database.reading() as connection:
        role = await connection.scalar(_ROLE)
    return NotAllowed(
        f"{database.address}: the role {role} may not issue logins, which everything that runs a "
        f"user's code needs. As an administrator: GRANT workbench_server TO {role}."
    )


async def lacking(database: Database) -> tuple[str, str] | None:
    """Return what the role lacks for a migration, and the way out; None if it lacks nothing."""
    async with database.reading() as connection:
        held = (await connection.execute(_HELD)).one()
    role = held.role
    if held.owner is not None:
        return (
            f"The role {role} may not migrate tables that belong to {held.owner}.",
            f"Run `workbench migrate` as the owner of the tables, {held.owner}.",
        )
    if not held.makes_tables:
        return (
            f"The role {role} may not make tables in the database {held.database}.",
            "Run `workbench migrate` as the owner of the database; or, as an administrator: "
            f"ALTER DATABASE {held.database} OWNER TO {role}.",
        )
    if held.rolsuper or (held.there and held.held):
        return None
    if held.rolcreaterole and (not held.there or held.given or held.gives_any):
        return None
    missing = f"The role {role} may not make the roles that rights need"
    if held.there:
        return (
            f"{missing}, nor act as those there are.",
            f"As an administrator: GRANT workbench_logins, workbench_server TO {role}.",
        )
    return f"{missing}.", f"As an administrator: ALTER ROLE {role} CREATEROLE."
