"""What can be wrong with row level security, and what only looks so."""

from __future__ import annotations

from pgrunbook.sqlfile import quoted
from planting._registry import decoy, defect
from planting.world import BIG, SMALL, TINY, Column, Table, World

APP, READER, SERVICE, GROUP = "app", "reader", "service", "staff"


def _secured(w: World, rows: tuple[int, int] = TINY, grants: str = "select, insert, update, delete") -> Table:
    """A table with row security; the application's role has these privileges."""
    table = w.table(rows)
    w.last.append(f"alter table {table.sql} enable row level security")
    if grants:
        w.last.append(f"grant {grants} on {table.sql} to {w.role(APP)}")
    return table


def _policy(
    table: Table,
    command: str = "all",
    using: str = "",
    check: str = "",
    *,
    to: str = "public",
    kind: str = "permissive",
) -> str:
    """Add a policy; its object."""
    w = table.world
    stem = w.rng.choice(("", "own rows", "tenant", f"{table.name}_{command}", "Users can see their own"))
    name = w.names.new(*((stem,) if stem else ()))
    w.last.append(
        f"create policy {quoted(name)} on {table.sql} as {kind} for {command} to {to}"
        + (f" using ({using})" if using else "")
        + (f" with check ({check})" if check else "")
    )
    return f"{table.sql}: {quoted(name)}"


def _owner(table: Table) -> Column:
    """A column that says whose the row is, with its index."""
    column = table.column("bigint", "1 + i % 150")
    table.index(column)
    return column


def _me(w: World) -> str:
    """A function that says who asks."""
    return w.function("", "bigint", "nullif(current_setting('app.user_id', true), '')::bigint")


def _own(table: Table) -> str:
    """A condition without a fault: the column is indexed, the call is wrapped."""
    return f"{_owner(table).sql} = (select {_me(table.world)}())"


# rls_without_policy --------------------------------------------------------------------------------------------------


@defect("rls_without_policy")
def no_policy(w: World) -> None:
    table = _secured(w)
    w.defect("rls_without_policy", table.sql, why="row security denies everything", level="important")


@defect("rls_without_policy")
def no_policy_no_privilege(w: World) -> None:
    table = _secured(w, grants="")
    w.defect("rls_without_policy", table.sql, why="locked, and nobody has a privilege", level="noted")


@decoy("rls_without_policy")
def no_row_security(w: World) -> None:
    table = w.table(TINY)
    w.last.append(f"grant select on {table.sql} to {w.role(APP)}")
    w.decoy("rls_without_policy", table.sql, "row security is off, and there is no policy")
    w.decoy("policy_without_rls", table.sql, "row security is off, and there is no policy")


@decoy("rls_without_policy")
def partitions_without_policy(w: World) -> None:
    table = w.table(SMALL, partitions="hash")
    w.last.append(f"alter table {table.sql} enable row level security")
    _policy(table, "all", _own(table))
    w.last += [f"alter table {part} enable row level security" for part in table.parts]
    for part in table.parts:
        w.decoy("rls_without_policy", part, "a partition; its parent has the policy")


# policy_without_rls --------------------------------------------------------------------------------------------------


@defect("policy_without_rls")
def policy_in_vain(w: World) -> None:
    table = w.table(TINY)
    condition = _own(table)
    _policy(table, w.rng.choice(("all", "select")), condition)
    if w.rng.random() < 0.5:
        w.last.append(f"alter table {table.sql} force row level security")  # force alone does nothing
    w.defect("policy_without_rls", table.sql, why="the policies do nothing", level="important")


@decoy("policy_without_rls")
def policy_in_force(w: World) -> None:
    table = _secured(w)
    _policy(table, "all", _own(table))
    for lint in ("policy_without_rls", "rls_without_policy", "policy_missing_command", "policy_always_true"):
        w.decoy(lint, table.sql, "row security is on, one policy covers all commands")


# policy_missing_command ----------------------------------------------------------------------------------------------


def _missing(table: Table, why: str) -> None:
    table.world.defect("policy_missing_command", table.sql, why=why, level="routine")


@defect("policy_missing_command")
def only_select(w: World) -> None:
    table = _secured(w)
    _policy(table, "select", _own(table))
    _missing(table, "the role may write, no policy lets it")


@defect("policy_missing_command")
def no_delete(w: World) -> None:
    table = _secured(w)
    own = _own(table)
    _policy(table, "select", own)
    _policy(table, "insert", check=own)
    _policy(table, "update", own, own)
    _missing(table, "no policy for delete")


@defect("policy_missing_command")
def for_another_role(w: World) -> None:
    table = _secured(w, grants="select")
    w.last.append(f"grant select on {table.sql} to {w.role(READER)}")
    _policy(table, "select", _own(table), to=w.role(READER))
    # noted or routine: whether that is on purpose nobody knows
    w.defect("policy_missing_command", table.sql, why="the policy is for another role")


@defect("policy_missing_command")
def member_without_inheritance(w: World) -> None:
    table = _secured(w, grants="")
    group, member = w.role(GROUP), w.role("trainee", "nologin noinherit")
    w.last += [f"grant {group} to {member}", f"grant select on {table.sql} to {member}"]
    _policy(table, "select", _own(table), to=group)
    table.world.defect("policy_missing_command", table.sql, why="the member doesn't inherit the group's rights")


@defect("policy_missing_command")
def only_restrictive(w: World) -> None:
    table = _secured(w, grants="select")
    _policy(table, "all", _own(table), kind="restrictive")
    _missing(table, "a restrictive policy lets nothing through by itself")


@defect("policy_missing_command")
def public_may_insert(w: World) -> None:
    table = _secured(w, grants="select")
    w.last.append(f"grant insert on {table.sql} to public")
    _policy(table, "select", _own(table))
    _missing(table, "PUBLIC may insert, no policy lets it")


@decoy("policy_missing_command")
def covered_by_membership(w: World) -> None:
    table = _secured(w, grants="")
    group, member = w.role(GROUP), w.role("support")
    w.last += [f"grant {group} to {member}", f"grant select, update on {table.sql} to {member}"]
    own = _own(table)
    _policy(table, "select", own, to=group)
    _policy(table, "update", own, to=member)
    w.decoy("policy_missing_command", table.sql, "the group's policy covers its member")


@decoy("policy_missing_command")
def nothing_to_cover(w: World) -> None:
    table = _secured(w, grants="select")
    w.last += [
        f"grant all on {table.sql} to {w.role(SERVICE, 'nologin bypassrls')}",
        f"alter table {table.sql} owner to {w.role('owner')}",
    ]
    _policy(table, "select", _own(table), to=w.role(APP))
    w.decoy("policy_missing_command", table.sql, "only the owner and a role that bypasses row security may write")


@decoy("policy_missing_command")
def covered_in_parts(w: World) -> None:
    table = _secured(w)
    own = _own(table)
    for command in ("select", "delete"):
        _policy(table, command, own)
    _policy(table, "insert", check=own)
    _policy(table, "update", own)
    w.decoy("policy_missing_command", table.sql, "each command has its policy")
    w.decoy("policies_permissive_many", table.sql, "each command has one policy")


# policies_permissive_many --------------------------------------------------------------------------------------------


def _many(table: Table, why: str) -> None:
    table.world.defect("policies_permissive_many", table.sql, why=why, level="routine")


@defect("policies_permissive_many")
def two_for_select(w: World) -> None:
    table = _secured(w, grants="select")
    _policy(table, "select", _own(table))
    _policy(table, "select", _own(table))
    _many(table, "two for select")


@defect("policies_permissive_many")
def all_and_select(w: World) -> None:
    table = _secured(w)
    _policy(table, "all", _own(table))
    _policy(table, "select", _own(table), to=w.role(APP))
    _many(table, "one for all commands, one for select")


@defect("policies_permissive_many")
def group_and_member(w: World) -> None:
    table = _secured(w, grants="")
    group, member = w.role(GROUP), w.role("support")
    w.last += [f"grant {group} to {member}", f"grant select on {table.sql} to {group}, {member}"]
    _policy(table, "select", _own(table), to=group)
    _policy(table, "select", _own(table), to=member)
    _many(table, "the member has the group's policy as well")


@decoy("policies_permissive_many")
def one_and_restrictive(w: World) -> None:
    table = _secured(w, grants="select")
    _policy(table, "select", _own(table))
    _policy(table, "select", _own(table), kind="restrictive")
    w.decoy("policies_permissive_many", table.sql, "the second is restrictive")


@decoy("policies_permissive_many")
def one_for_the_service(w: World) -> None:
    table = _secured(w, grants="select")
    service = w.role(SERVICE, "nologin bypassrls")
    w.last.append(f"grant select on {table.sql} to {service}")
    own = _own(table)
    _policy(table, "select", own, to=w.rng.choice(("public", w.role(APP))))
    _policy(table, "all", own, to=service)
    w.decoy("policies_permissive_many", table.sql, "the second is for a role that bypasses all policies")


@decoy("policies_permissive_many")
def roles_apart(w: World) -> None:
    table = _secured(w, grants="select")
    w.last.append(f"grant select on {table.sql} to {w.role(READER)}")
    _policy(table, "select", _own(table), to=w.role(APP))
    _policy(table, "select", _own(table), to=w.role(READER))
    w.decoy("policies_permissive_many", table.sql, "only a superuser is both roles")


# policy_always_true --------------------------------------------------------------------------------------------------

_TRUE = (
    "true",
    "1 = 1",
    "not false",
    "true or {own}",
    "{own} or true",
    "(1 = 1) and true",
    "2 > 1",
    "'a' = 'a'",
    "not (1 = 2)",
)


def _constant(w: World, table: Table) -> str:
    return w.rng.choice(_TRUE).replace("{own}", _own(table))


@defect("policy_always_true")
def writes_anything(w: World) -> None:
    command = w.rng.choice(("all", "update", "delete"))
    table = _secured(w, grants="select, insert, update, delete" if command == "all" else command)
    policy = _policy(table, command, _constant(w, table), to=w.rng.choice(("public", w.role(APP))))
    w.defect("policy_always_true", policy, why=f"constantly true for {command}", level="important")


@defect("policy_always_true")
def inserts_anything(w: World) -> None:
    table = _secured(w, grants="insert")
    policy = _policy(table, "insert", check=_constant(w, table))
    w.defect("policy_always_true", policy, why="any row may be inserted", level="important")


@defect("policy_always_true")
def turns_into_anything(w: World) -> None:
    table = _secured(w, grants="update")
    policy = _policy(table, "update", _own(table), "true")
    w.defect("policy_always_true", policy, why="own rows may be given away", level="important")


@defect("policy_always_true")
def reads_anything(w: World) -> None:
    table = _secured(w, grants="select")
    policy = _policy(table, "select", _constant(w, table))
    w.defect("policy_always_true", policy, why="constantly true for select", level="noted")


@defect("policy_always_true")
def service_does_anything(w: World) -> None:
    table = _secured(w, grants="")
    service = w.role(SERVICE, "nologin bypassrls")
    w.last.append(f"grant all on {table.sql} to {service}")
    policy = _policy(table, "all", "true", to=service)
    w.defect("policy_always_true", policy, why="for a role that bypasses row security anyway", level="noted")


@decoy("policy_always_true")
def true_but_restrictive(w: World) -> None:
    table = _secured(w, grants="select")
    _policy(table, "select", _own(table))
    w.decoy("policy_always_true", _policy(table, "all", "true", kind="restrictive"), "it is restrictive")


@decoy("policy_always_true")
def not_quite_true(w: World) -> None:
    table = _secured(w)
    condition = w.rng.choice(("true and {own}", "false", "not true", "1 = 2", "{own} or false", "{own} and 1 = 1"))
    policy = _policy(table, "all", condition.replace("{own}", _own(table)))
    w.decoy("policy_always_true", policy, condition)


@decoy("policy_always_true")
def true_of_a_column(w: World) -> None:
    table = _secured(w, grants="select")
    column = table.column("boolean", "i % 2 = 0")
    table.index(column)
    w.decoy("policy_always_true", _policy(table, "select", f"{column.sql} is true"), "a column, not a constant")


# policy_function_per_row ---------------------------------------------------------------------------------------------


def _per_row(policy: str, table: Table, why: str) -> None:
    level = "important" if table.rows >= 10_000 else "routine"
    table.world.defect("policy_function_per_row", policy, why=why, level=level)


@defect("policy_function_per_row")
def bare(w: World) -> None:
    table = _secured(w, w.rng.choice((TINY, SMALL, BIG)), grants="select")
    volatility = w.rng.choice(("stable", "stable", "volatile"))
    me = w.function("", "bigint", "nullif(current_setting('app.user_id', true), '')::bigint", volatility=volatility)
    policy = _policy(table, "select", f"{_owner(table).sql} = {me}()")
    _per_row(policy, table, f"a {volatility} function is called bare")


@defect("policy_function_per_row")
def bare_setting(w: World) -> None:
    table = _secured(w, w.rng.choice((TINY, SMALL)), grants="select")
    policy = _policy(table, "select", f"{_owner(table).sql} = nullif(current_setting('app.tenant', true), '')::bigint")
    _per_row(policy, table, "current_setting is called bare")


@defect("policy_function_per_row")
def bare_in_check(w: World) -> None:
    table = _secured(w, grants="select, insert")
    _policy(table, "select", _own(table))
    policy = _policy(table, "insert", check=f"{_owner(table).sql} = {_me(w)}()")
    _per_row(policy, table, "called bare in with check")


@defect("policy_function_per_row")
def wrapped_and_bare(w: World) -> None:
    table = _secured(w, SMALL)
    me, owner, other = _me(w), _owner(table), _owner(table)
    policy = _policy(table, "all", f"{owner.sql} = (select {me}()) or {other.sql} = {me}()")
    _per_row(policy, table, "once wrapped, once bare")


@defect("policy_function_per_row")
def bare_helper(w: World) -> None:
    table = _secured(w, SMALL, grants="select")
    helper = w.function("who bigint", "boolean", f"who = (select {_me(w)}())")
    policy = _policy(table, "select", f"{helper}({_owner(table).sql})")
    _per_row(policy, table, "a helper takes the row's column")


@defect("policy_function_per_row")
def bare_admin(w: World) -> None:
    table = _secured(w, SMALL)
    admin = w.function("", "boolean", "current_setting('app.role', true) = 'admin'", more="security definer")
    policy = _policy(table, "all", f"{_own(table)} or {admin}()")
    _per_row(policy, table, "a second function is called bare")


@defect("policy_function_per_row")
def bare_within(w: World) -> None:
    """A call inside of something else."""
    table = _secured(w, SMALL, grants="select")
    me, owner = _me(w), _owner(table).sql
    condition = w.rng.choice((
        f"{owner} = coalesce({me}(), -1)",
        f"case when {me}() is null then false else {owner} = (select {me}()) end",
        f"{owner} in ({me}(), -1)",
        f"{owner} = (current_setting('app.claims', true)::json ->> 'sub')::bigint",
        f"{me}() = {owner}",
        f"not ({owner} <> {me}())",
        f"{owner} = any (array[{me}()])",
        f"({owner} = (select {me}())) is true and {me}() > 0",
    ))  # fmt: skip
    _per_row(_policy(table, "select", condition), table, f"bare within: {condition}")


@defect("policy_function_per_row")
def bare_in_exists(w: World) -> None:
    members, table = w.table(TINY), _secured(w, SMALL, grants="select")
    team, who = _owner(members), _owner(members)
    own = _owner(table)
    policy = _policy(
        table, "select",
        f"exists (select from {members.sql} m where m.{team.sql} = {table.sql}.{own.sql} and m.{who.sql} = {_me(w)}())",
    )  # fmt: skip
    _per_row(policy, table, "bare in a sub-select that depends on the row")


@decoy("policy_function_per_row")
def wrapped(w: World) -> None:
    table = _secured(w, SMALL)
    setting = "(select nullif(current_setting('app.tenant', true), '')::bigint)"
    policy = _policy(table, "all", f"{_own(table)} or {_owner(table).sql} = {setting}")
    w.decoy("policy_function_per_row", policy, "every call is wrapped")


@decoy("policy_function_per_row")
def wrapped_otherwise(w: World) -> None:
    table = _secured(w, SMALL, grants="select")
    me, owner = _me(w), _owner(table).sql
    condition = w.rng.choice((
        f"{owner} = coalesce((select {me}()), -1)",
        f"{owner} = length(current_user)",
        f"{owner} = (select coalesce({me}(), -1))",
        f"{owner} = (select {me}() as me)",
        f"{owner} = ((select current_setting('app.claims', true))::json ->> 'sub')::bigint",
        f"{owner} = any (array[(select {me}()), -1])",
        f"(select {me}()) = {owner}",
        f"{owner} = (select (current_setting('app.claims', true)::json ->> 'sub')::bigint)",
    ))  # fmt: skip
    w.decoy("policy_function_per_row", _policy(table, "select", condition), condition)


@decoy("policy_function_per_row")
def immutable(w: World) -> None:
    table = _secured(w, SMALL, grants="select")
    column = table.column("text", "'u' || i % 150")
    table.index(f"lower({column.sql})")
    w.allow("policy_column_without_index", table.dot(column), "the index is over the expression")
    own = w.function("", "text", "current_setting('app.name', true)")
    policy = _policy(table, "select", f"lower({column.sql}) = lower((select {own}()))")
    w.decoy("policy_function_per_row", policy, "only immutable functions are called for each row")


@decoy("policy_function_per_row")
def wrapped_in_exists(w: World) -> None:
    members, table = w.table(TINY), _secured(w, SMALL, grants="select")
    team, who = _owner(members), _owner(members)
    own = _owner(table)
    policy = _policy(
        table, "select",
        f"exists (select from {members.sql} m where m.{team.sql} = {table.sql}.{own.sql} and m.{who.sql} = (select {_me(w)}()))",
    )  # fmt: skip
    w.decoy("policy_function_per_row", policy, "wrapped within the sub-select")


# policy_column_without_index -----------------------------------------------------------------------------------------


@defect("policy_column_without_index")
def policy_column(w: World) -> None:
    table = _secured(w, w.rng.choice((SMALL, SMALL, BIG)), grants="select")
    column, other = table.column("bigint", "1 + i % 150"), table.number(60)
    how = w.rng.choice(("none", "partial", "second", "in"))
    condition = f"{column.sql} = (select {_me(w)}())"
    match how:
        case "partial":
            table.index(column, where=f"{other.sql} = 1")
        case "second":
            table.index(other, column)
        case "in":
            condition = f"{column.sql} in ((select {_me(w)}()), -1)"
    _policy(table, "select", condition)
    level = "important" if table.rows >= 10_000 else "routine"
    w.defect("policy_column_without_index", table.dot(column), why=f"index: {how}", level=level)


@defect("policy_column_without_index")
def policy_any(w: World) -> None:
    table = _secured(w, SMALL)
    column = table.column("bigint", "1 + i % 150")
    teams = w.function("", "bigint[]", "string_to_array(current_setting('app.teams', true), ',')::bigint[]")
    _policy(table, "all", f"{column.sql} = any ((select {teams}())::bigint[])")
    w.defect("policy_column_without_index", table.dot(column), why="= any (…)", level="routine")


@decoy("policy_column_without_index")
def policy_column_indexed(w: World) -> None:
    table = _secured(w, w.rng.choice((SMALL, BIG)), grants="select")
    column = table.column("bigint", "1 + i % 150")
    table.index(column, table.number())
    _policy(table, "select", f"{column.sql} = (select {_me(w)}())")
    w.decoy("policy_column_without_index", table.dot(column), "an index begins with it")


@decoy("policy_column_without_index")
def policy_key(w: World) -> None:
    table = _secured(w, SMALL, grants="select")
    _policy(table, "select", f"{table.key.sql} = (select {_me(w)}())")
    w.decoy("policy_column_without_index", table.dot(table.key), "it is the primary key")


@decoy("policy_column_without_index")
def policy_column_of_small_table(w: World) -> None:
    table = _secured(w, TINY, grants="select")
    column = table.column("bigint", "1 + i % 150")
    _policy(table, "select", f"{column.sql} = (select {_me(w)}())")
    w.decoy("policy_column_without_index", table.dot(column), "below 1,000 rows")


@decoy("policy_column_without_index")
def policy_column_not_equal(w: World) -> None:
    table = _secured(w, SMALL, grants="select")
    column = table.number()
    _policy(table, "select", f"{_own(table)} and {column.sql} > 5")
    w.decoy("policy_column_without_index", table.dot(column), "it is compared with >")
