-- Files that came with events, partitioned by the day they arrived, so that retention drops them with the events.
-- Found by the id of their event, which may arrive before or after them; nothing of the event is repeated here but the
-- issue that holds it, for the search.
create table attachments (
    project_id bigint not null,
    day date not null,
    -- Made of project, event, name and content: a file that is sent again is the same file.
    id uuid not null,
    event_id uuid not null,
    -- Null until the event is known.
    issue_id bigint,
    received_at timestamptz not null,
    name text not null,
    content_type text not null,
    -- What the SDK calls it, as `event.attachment` or `event.view_hierarchy`.
    kind text not null,
    bytes bigint not null check (bytes >= 0),
    content bytea not null,
    primary key (project_id, id, day)
) partition by range (day);
-- Files of an event.
create index attachments_by_event on attachments (project_id, event_id);
-- `has:attachment` of the search.
create index attachments_by_issue on attachments (project_id, issue_id) where issue_id is not null;
-- Those whose event was not there yet: maintenance looks for it.
create index attachments_unplaced on attachments (received_at) where issue_id is null;

-- What the files of a project take, by day of arrival: the bound of a day is held against it, and that of the project.
create table attachment_days (
    project_id bigint not null,
    day date not null,
    files bigint not null,
    bytes bigint not null,
    primary key (project_id, day)
);
