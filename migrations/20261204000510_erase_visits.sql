-- A deletion also looks through the people who used a release, by their key: its place among them. The table has a row per deletion.
alter table erasures
    drop constraint erasures_phase_check,
    add constraint erasures_phase_check check (phase in ('find', 'walk', 'feedback', 'visits', 'forget')),
    add column at_version text not null default '',
    add column at_environment text not null default '',
    add column at_visit_day bigint not null default 0,
    add column at_user bytea not null default '';
