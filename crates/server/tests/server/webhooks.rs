//! Webhooks: who is told what happens, and how surely.

mod deliveries;
mod hostile;
mod notices;
mod receiver;
mod settings;
