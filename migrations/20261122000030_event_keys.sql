-- The key by which an event was placed: the strongest that it may own. Splitting an issue by key moves exactly its events.
-- Null in rows that are older than this column: computed from the payload when it is needed.
alter table events add column hash bytea;
-- Such older rows of an issue; empty on every instance that began with this column.
create index events_unkeyed on events (project_id, issue_id) where hash is null;
-- The strongest key of the event that brought this key; null in older rows.
alter table issue_hashes add column came_with bytea;
