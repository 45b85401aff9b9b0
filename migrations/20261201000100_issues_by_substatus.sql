-- What is new, came back or escalates, newest first: the live view, the tabs above the list, `is:new` and the like. Few open
-- issues are in one of these states; without these indexes, the newest thousands of open issues were read to find them.
create index issues_by_substatus on issues (project_id, substatus, seen_slot desc, id desc)
    where status = 'unresolved' and substatus in ('new', 'regressed', 'escalating');
-- The same over all projects.
create index issues_all_by_substatus on issues (substatus, seen_slot desc, id desc)
    where status = 'unresolved' and substatus in ('new', 'regressed', 'escalating');
