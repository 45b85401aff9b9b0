-- Issues that were merged into another one: their ids and numbers lead to it, lists leave them out by their status.
-- `substatus` and the columns of the state stay as they were, for the day the merge is undone.
alter table issues add column merged_into bigint;
alter table issues drop constraint issues_status_check;
alter table issues add constraint issues_status_check
    check (status in ('unresolved', 'resolved', 'ignored', 'merged'));
alter table issues add constraint issues_merged_status check ((status = 'merged') = (merged_into is not null));
alter table issues add constraint issues_merged_elsewhere check (merged_into <> id);
-- What was merged into an issue, for its activity.
create index issues_by_survivor on issues (project_id, merged_into) where merged_into is not null;
