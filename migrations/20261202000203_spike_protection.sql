-- Whether a project keeps the payloads of a sample only when far more than usual comes in (`engine::spike`).
alter table projects add column spike_protection boolean not null default true;
