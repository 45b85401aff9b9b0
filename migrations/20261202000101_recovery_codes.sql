-- Codes that stand in for a lost second factor, once each: a used one is deleted. 80 random bits need no slow hash.
create table recovery_codes (
    user_id bigint not null references users (id) on delete cascade,
    code_hash bytea not null check (octet_length(code_hash) = 32),
    primary key (user_id, code_hash)
);
