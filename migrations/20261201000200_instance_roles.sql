-- Owners, whom only owners make and unmake, and guests, who see only the projects that name them. Everybody else stays
-- what they are, in every project and in those to come: nobody loses or gains anything. The first administrator becomes
-- the owner.
alter table users drop constraint users_role_check;
alter table users
    add constraint users_role_check check (role in ('owner', 'admin', 'member', 'viewer', 'guest'));
update users
set role = 'owner'
where id = (select id from users where role = 'admin' and disabled_at is null order by id limit 1);
