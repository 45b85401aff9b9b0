-- For how many minutes the deploys of a project are watched; null is what `engine::watch` says. The bounds are its own.
alter table projects
    add column watch_minutes integer
        constraint projects_watch_minutes_check check (watch_minutes between 5 and 1440);
