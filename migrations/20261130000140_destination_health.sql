-- How each destination does: its circuit breaker (engine::alert::breaker), and its last success and failure for people.
create table destination_health (
    destination_id bigint primary key references destinations (id) on delete cascade,
    -- Failures that may pass, since the last answer.
    failures integer not null default 0 check (failures >= 0),
    -- While messages wait for it, and when the next one may try.
    open_until timestamptz,
    -- One was let through to try.
    trying boolean not null default false,
    last_success_at timestamptz,
    last_failure_at timestamptz,
    last_failure text,
    constraint destination_health_last_failure check ((last_failure_at is null) = (last_failure is null))
);
