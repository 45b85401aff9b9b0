-- Deleting what is kept of a person, and taking data along, are written down, too. Every kind of before is one of now.
alter table audit_log
    drop constraint audit_log_kind_check,
    add constraint audit_log_kind_check check (kind in (
        'sign-in', 'person', 'member', 'team', 'token', 'project', 'key', 'setting', 'rule', 'destination', 'issue', 'data'
    )) not valid;
