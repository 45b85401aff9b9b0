-- A destination that somebody deleted can be put back for a while, and with it what still had to go there; then it goes
-- for good, and its deliveries with it.
alter table destinations add column deleted_at timestamptz;
alter table destinations add constraint destinations_deleted_are_off check (deleted_at is null or disabled_at is not null);
-- What can go for good.
create index destinations_deleted on destinations (deleted_at) where deleted_at is not null;
