-- Ways in that have begun and not ended: what one request has to remember for the next. None of them is a session. Each
-- serves once, and is forgotten after minutes.
create table sign_in_steps (
    -- Of what the browser holds, in a cookie or in a form.
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    kind text not null check (kind in ('second-factor', 'app')),
    -- Where it is known who it is.
    user_id bigint references users (id) on delete cascade,
    state jsonb not null,
    expires_at timestamptz not null
);
-- Those that are forgotten.
create index sign_in_steps_by_expires_at on sign_in_steps (expires_at);
