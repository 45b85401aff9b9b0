-- Accounts at a provider of identities (OpenID Connect), and who that is here.
create table identities (
    issuer text not null check (char_length(issuer) between 1 and 2048),
    -- The provider's name for somebody, which it never gives to anybody else.
    subject text not null check (char_length(subject) between 1 and 255),
    user_id bigint not null references users (id) on delete cascade,
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    primary key (issuer, subject),
    -- One account of a provider for one person: an address that it gives to somebody else must not lead to who had it before.
    constraint identities_user_key unique (user_id, issuer)
);
