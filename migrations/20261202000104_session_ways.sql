-- By which way somebody signed in: a password alone may have to be followed by a second factor.
alter table sessions add column way text not null default 'password'
    constraint sessions_way_check check (way in ('password'));
