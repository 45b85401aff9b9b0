-- When an address was last asked, also when nobody wants it any more: wanting and forgetting in turns must not flood a mailbox.
alter table mail_settings add column asked_at timestamptz;
