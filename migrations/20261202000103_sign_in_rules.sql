-- What the instance asks of everybody who signs in; without a row, nothing more than a password.
create table sign_in_rules (
    only_row boolean primary key default true check (only_row),
    second_factor_required boolean not null
);
