-- A project may keep its events, their files and feedback for fewer days than the instance; null is as long as that.
-- The bound is that of `store::retention`.
alter table projects
    add column retention_days integer
        constraint projects_retention_days_check check (retention_days between 1 and 3650);
