-- Watches that have not ended, which a round looks at (`lookout::watches`): a handful of rows, whatever the age of the table.
create index deploys_watched on deploys (id) where watch_minutes is not null and watch_ended_at is null;
