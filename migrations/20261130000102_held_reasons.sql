-- What is held says why, as what is suppressed does, and goes on saying it when it was told after all.
alter table deliveries drop constraint deliveries_reason;
alter table deliveries add constraint deliveries_reason check (reason is not null or state not in ('held', 'suppressed'));
