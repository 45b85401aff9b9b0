-- What people run to go back from a deploy, with places for the project, the environment and the version before. It is shown
-- and never run. `engine::watch::rollback` reads it.
alter table projects
    add column rollback_command text
        constraint projects_rollback_command_check check (char_length(rollback_command) between 1 and 500);
