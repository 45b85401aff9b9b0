-- Who has an issue: one person at most. A team would be a column beside it, of which one is null.
alter table issues add column assigned_user_id bigint references users (id) on delete set null;
-- Who had it before a change of that (kinds assigned, unassigned): what undoing it restores. Null: nobody.
alter table issue_activity add column assignee_before bigint references users (id) on delete set null;
