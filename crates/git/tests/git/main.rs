//! Tests of outwork-git with the real git, real repositories and real files.

mod fixture;

mod apply;
mod apply_attacks;
mod attacks;
mod changes;
mod checkout;
mod compose;
mod diff;
mod history;
mod injection;
mod layered;
mod merges;
mod mirror;
mod names;
mod ordinary_user;
mod parts;
mod random;
mod replay;
mod resolve;
mod restore;
mod seal;
