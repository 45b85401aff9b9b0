-- Errors of each release in each environment, ten seconds wide: while a deploy rolls out, old and new release are told apart
-- in one chart. Kept for two hours, as long as anybody watches a deploy, and written with the other counters.
create table release_counts (
    project_id bigint not null,
    -- As in environment_counts.
    environment text not null,
    -- Start of the ten seconds, seconds since 1970.
    bucket bigint not null,
    -- Events that name no release are in environment_counts alone.
    version text not null,
    events bigint not null,
    -- Those of them whose issue had begun in this release when they arrived.
    fresh bigint not null check (fresh between 0 and events),
    primary key (project_id, environment, bucket, version)
) with (fillfactor = 50);
-- Retention.
create index release_counts_by_bucket on release_counts (bucket);
