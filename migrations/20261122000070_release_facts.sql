-- What tools tell of a release; events know only its name.
alter table releases
    add column url text,
    add column ref text,
    add column status text not null default 'open' constraint releases_status_check
        check (status in ('open', 'archived')),
    add column date_started timestamptz,
    add column date_released timestamptz,
    -- When the first event named it; null for a release that only tools know.
    add column first_event_at timestamptz;
-- Until now, only events made releases.
update releases set first_event_at = first_seen;
-- New issues in a release: its page, its list, the API's newGroups.
create index issues_by_first_release on issues (project_id, first_release, id desc) where first_release is not null;
