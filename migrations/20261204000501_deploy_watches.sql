-- The watch of a deploy and its end. Deploys from before, and those that are told long afterwards, are not watched: they have
-- no minutes.
alter table deploys
    add column watch_minutes integer
        constraint deploys_watch_minutes_check check (watch_minutes between 5 and 1440),
    -- When the verdict was last found to be bad after its time was over.
    add column watch_bad_at timestamptz,
    add column watch_ended_at timestamptz,
    -- The verdict at that moment, and all that the summary says.
    add column watch_verdict text constraint deploys_watch_verdict_check
        check (watch_verdict in ('good', 'watch', 'bad', 'too_early')),
    add column watch_reason text,
    add column watch_summary jsonb,
    add constraint deploys_watch_ended check (
        num_nulls(watch_ended_at, watch_verdict, watch_reason, watch_summary) = case when watch_ended_at is null then 4 else 0 end
    );
