//! What a store must do, run on SQLite and on PostgreSQL. Each test has one body; `on_both!` makes
//! two tests of it. After each, [`bed::run`] checks what must hold of any database.

/// Makes a test on each engine of each function, which takes a [`bed::Bed`].
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[test]
            fn $name() {
                crate::bed::run(crate::bed::Engine::Sqlite, super::$name);
            })+
        }
        mod postgres {
            $(#[test]
            fn $name() {
                crate::bed::run(crate::bed::Engine::Postgres, super::$name);
            })+
        }
    };
}

mod bed;
mod invariants;
mod past_the_store;

mod backups;
mod cache;
mod checkpoints;
mod choice;
mod claims;
mod compositions;
mod constraints;
mod credentials;
mod enrolment;
mod environments;
mod events;
mod idempotency;
mod identity;
mod injections;
mod isolation;
mod jobs;
mod leases;
mod lists;
mod members;
mod messages;
mod objects;
mod orders;
mod paths;
mod publications;
mod repositories;
mod review;
mod schedules;
mod secrets;
mod settings;
mod tasks;
mod times;
mod usage;
mod webhooks;
mod workers;

mod changes;
mod device_logins;
mod durability;
mod full_disk;
mod races;
mod schedule;
mod scheduling;
mod standing_by;
mod upgrade;
