-- Kinds that a person does not want to hear of. That somebody wants nothing at all of a project is a row of mail_mutes, which
-- addresses without an account have, too.
create table mail_choices (
    user_id bigint not null references users (id) on delete cascade,
    -- Null: of every project without a row of its own.
    project_id bigint references projects (id) on delete cascade,
    kinds_off text[] not null
);
create unique index mail_choices_once on mail_choices (user_id, (coalesce(project_id, 0)));
