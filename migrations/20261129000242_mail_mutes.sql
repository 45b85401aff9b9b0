-- Addresses that want no mails of a project, whichever destination names them.
create table mail_mutes (
    project_id bigint not null references projects (id) on delete cascade,
    -- In lower case.
    address text not null check (address = lower(address) and char_length(address) <= 254),
    created_at timestamptz not null,
    primary key (project_id, address)
);
