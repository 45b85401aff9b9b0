-- What a person chose about the mails that rules send them (engine::alert::wishes). Without a row: all of them, at once, to the
-- address that they sign in with.
create table mail_settings (
    user_id bigint primary key references users (id) on delete cascade,
    -- Where their mails go instead; only ever an address that was confirmed.
    address text check (char_length(address) between 3 and 254),
    -- The address that is wanted, and the mail that asks its reader: ask_at is when that is tried next, null when it went.
    wanted text check (char_length(wanted) between 3 and 254),
    wanted_at timestamptz,
    ask_at timestamptz,
    ask_attempts integer not null default 0,
    ask_error text,
    -- Quiet hours (engine::alert::quiet): an IANA name, empty when none was chosen, and [{"days": bits from Monday, "from": minute, "to": minute}].
    zone text not null default '',
    windows jsonb not null default '[]',
    -- Kinds that come in quiet hours, too.
    through text[] not null default '{}',
    constraint mail_settings_wanted check ((wanted is null) = (wanted_at is null) and (wanted is not null or ask_at is null))
);
-- Mails that ask and are due.
create index mail_settings_asking on mail_settings (ask_at) where ask_at is not null;
-- Whose an address is that is no login.
create index mail_settings_by_address on mail_settings (lower(address)) where address is not null;
