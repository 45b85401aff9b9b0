-- Where somebody signed in, and with what, so that they know their sessions apart.
alter table sessions add column address text;
alter table sessions add column agent text not null default '';
