-- What somebody has, newest first; and whose issues are given back when a person goes. Most issues have nobody.
create index issues_by_assignee on issues (assigned_user_id, status, seen_slot desc, id desc)
    where assigned_user_id is not null;
