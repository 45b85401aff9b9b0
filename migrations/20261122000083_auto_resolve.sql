-- After how many quiet days issues are resolved; null means never.
alter table projects add column auto_resolve_days integer
    constraint projects_auto_resolve_days_check check (auto_resolve_days between 1 and 3650);
