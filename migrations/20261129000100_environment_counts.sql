-- Errors of each environment, so that what happens in one says nothing of a deploy to another. Kept as long as those of the
-- project, and written with them.
create table environment_counts (
    project_id bigint not null,
    -- Empty for events that name none; '/', which no environment can be called, for those without counters of their own.
    environment text not null,
    -- 10 (kept 2 h), 60 (kept 48 h) or 3600 (kept 90 d).
    span_s integer not null check (span_s in (10, 60, 3600)),
    bucket bigint not null,
    events bigint not null,
    primary key (project_id, environment, span_s, bucket)
) with (fillfactor = 50);
-- Retention deletes old buckets of one width.
create index environment_counts_by_bucket on environment_counts (span_s, bucket);

-- Whether an environment has counters of its own: the first ones of a project do (`store::ingest`), the rest share some.
alter table environments add column has_counts boolean not null default false;
-- Since when its events are counted, by its own counters or the shared ones.
alter table environments add column counted_since timestamptz not null default now();
update environments e
set has_counts = true
from (
    select project_id, name, row_number() over (partition by project_id order by first_seen, name) as n
    from environments
) as known
where known.project_id = e.project_id and known.name = e.name and known.n <= 50;
create index environments_with_counts on environments (project_id) where has_counts;

-- What is known of the past without reading all events: in a project with one environment, everything is of that one.
insert into environment_counts (project_id, environment, span_s, bucket, events)
select c.project_id, e.name, c.span_s, c.bucket, c.events
from project_counts c
join (
    select project_id, min(name) as name
    from environments
    group by project_id
    having count(*) = 1
) as e on e.project_id = c.project_id;
update environments e
set counted_since = first_seen
where not exists (
    select 1
    from environments other
    where other.project_id = e.project_id and other.name <> e.name
);
