create table invoice (
    id integer primary key,
    profile text not null,
    account text not null,          -- without leading zeros: sources differ in padding
    number text not null,           -- leading zeros are significant
    date text not null,             -- ISO day, never shifted
    currency text not null,
    exponent integer not null,
    list_minor integer,             -- what the portal's list says
    amount_minor integer,           -- what the documents say
    due text,
    first_seen text not null,
    last_seen text not null,
    gone text,                      -- day on which the list no longer had it
    unique (profile, account, number, date)
) strict;

create table document (
    id integer primary key,
    invoice integer not null references invoice (id),
    format text not null check (format in ('csv', 'xml', 'pdf')),
    revision integer not null default 1,
    state text not null check (state in ('listed', 'stored', 'refused', 'gone')),
    reason text,                    -- why refused
    path text,                      -- relative to the archive
    sha256 text,
    canonical text,                 -- sha256 of the canonical form (CSV) or of the file
    size integer,
    rows integer,
    net_minor integer,
    layout text,
    url text,
    leaf_sha256 text,
    fetched text,
    unique (invoice, format, revision)
) strict;

create table charge (
    document integer not null references document (id) on delete cascade,
    row integer not null,
    tracking text not null,
    category text not null,
    detail text not null,
    class text not null,
    code text not null,
    description text not null,
    net_minor integer not null,
    incentive_minor integer not null,
    zone text not null,
    weight text not null,
    service text not null,          -- words of the shipment's freight charge
    shipped text,
    primary key (document, row)
) strict, without rowid;
create index charge_tracking on charge (tracking);

create table alert (
    id integer primary key,
    kind text not null,
    key text not null,
    text text not null,
    raised text not null,
    notified text,
    acknowledged text,
    unique (kind, key)
) strict;

create table run (
    id integer primary key,
    command text not null,
    started text not null,
    ended text,
    exit integer,
    requests integer not null default 0,
    logins integer not null default 0
) strict;

create table skeleton (             -- the last good page of each step: tags, ids, names
    profile text not null,
    step text not null,
    text text not null,
    seen text not null,
    primary key (profile, step)
) strict;

-- The document whose charges count: the newest stored CSV, else the newest stored XML.
create view booked as
select d.* from document d where d.id = (
    select id from document
    where invoice = d.invoice and state = 'stored' and format in ('csv', 'xml')
    order by format = 'csv' desc, revision desc limit 1);
