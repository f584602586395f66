-- An invoice may hold charges in other currencies than its own; an empty one is the invoice's.
alter table charge add column currency text not null default '';
alter table charge add column exponent integer not null default 2;

create table issuer (               -- who issued the certificate of each host when last seen
    host text primary key,
    issuer text not null,
    seen text not null
) strict;
