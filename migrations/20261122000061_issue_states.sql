-- Everything that a state has to say beside its substatus: the release, the one after which the fix comes, or the commit of
-- a resolution; the terms on which an issue is ignored. The names in it are in `engine::issue`.
alter table issues add column state_details jsonb;
update issues
set state_details = jsonb_build_object('in_release', resolved_in_release)
where substatus = 'resolved' and resolved_in_release is not null;
update issues
set state_details = jsonb_build_object('until', to_char(ignored_until at time zone 'utc', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
where substatus = 'ignored' and ignored_until is not null;
alter table issues drop column resolved_in_release;
alter table issues drop column ignored_until;
-- deleted: on its way out, with its events. discarded: gone for good, its keys stay and events that they lead to are dropped.
alter table issues drop constraint issues_status_check;
alter table issues add constraint issues_status_check
    check (status in ('unresolved', 'resolved', 'ignored', 'merged', 'deleted', 'discarded'));
alter table issues drop constraint issues_substatus_check;
alter table issues add constraint issues_substatus_check check (substatus in
    ('new', 'ongoing', 'escalating', 'regressed', 'resolved', 'ignored', 'deleted', 'discarded'));
-- Issues that wait for a release to come to life.
create index issues_waiting on issues (project_id, id) where state_details ?| array['after_release', 'in_commit'];
-- Issues whose events are still to be deleted.
create index issues_deleted on issues (project_id, id) where status = 'deleted';

-- The state before a transition, {"substatus", "details"}: what undoing it restores. Null for what is no transition.
alter table issue_activity add column before jsonb;
-- A person said that it was wrong.
alter table issue_activity add column undone boolean not null default false;
-- Why an issue is still resolved is said once per release.
create unique index issue_activity_notes on issue_activity (project_id, issue_id, coalesce(release, ''))
    where kind = 'still_resolved';
