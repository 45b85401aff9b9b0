-- What people who met an error say about it.
create table feedback (
    project_id bigint not null,
    -- Of the newer form its own event id; of the older one the id of the event, of which the last report counts.
    id uuid not null,
    form text not null check (form in ('user_report', 'feedback')),
    -- The event that it is about, if it is about one.
    event_id uuid,
    -- Null until that event is known.
    issue_id bigint,
    received_at timestamptz not null,
    name text not null,
    email text not null,
    message text not null,
    -- Where they were, if the client said it.
    url text not null,
    primary key (project_id, id)
);
-- The list of a project.
create index feedback_by_project on feedback (project_id, received_at, id);
-- The list of an issue, and `has:feedback` of the search.
create index feedback_by_issue on feedback (project_id, issue_id, received_at, id) where issue_id is not null;
-- What was said of an event.
create index feedback_by_event on feedback (project_id, event_id) where event_id is not null;
-- What came before its event: maintenance looks for it.
create index feedback_unplaced on feedback (received_at) where event_id is not null and issue_id is null;
-- Retention deletes the oldest.
create index feedback_by_age on feedback (received_at);
