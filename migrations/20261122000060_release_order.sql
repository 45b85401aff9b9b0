-- What the name of a release says: its package, and a key of bytes that sorts as its version does; null for a hash or any
-- other name (`engine::release`). Rows that are older than these columns get both when the release is next seen.
alter table releases add column package text not null default '';
alter table releases add column sort_key bytea;
-- The newest releases of a project, which decide on its order.
create index releases_by_seen on releases (project_id, first_seen desc, version desc);
-- The greatest version of a package.
create index releases_by_version on releases (project_id, package, sort_key desc, first_seen desc)
    where sort_key is not null;
