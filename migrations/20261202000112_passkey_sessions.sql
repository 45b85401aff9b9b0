-- Sessions that began with a passkey or with a provider of identities have no password that a second factor would follow.
-- Sessions are thousands of rows at most, so that checking them takes milliseconds.
alter table sessions
    drop constraint sessions_way_check,
    add constraint sessions_way_check check (way in ('password', 'passkey', 'provider'));
