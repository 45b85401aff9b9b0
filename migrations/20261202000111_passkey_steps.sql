-- Questions to passkeys are steps, too.
alter table sign_in_steps
    drop constraint sign_in_steps_kind_check,
    add constraint sign_in_steps_kind_check check (kind in ('second-factor', 'app', 'passkey', 'new-passkey', 'provider'));
